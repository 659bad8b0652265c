"""The workload: every kind of operation in a stage's month, played once with the real handlers and counted.

A cold start costs the CPU time in which a new interpreter imports what a function needs, measured in a process of its
own, and what the first invocation needs more than later ones.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from os import environ
from resource import RUSAGE_CHILDREN, getrusage
from subprocess import run

from bench.billing.meter import Meter, billed_gb_s
from bench.billing.model import Amounts, Assumptions
from bench.billing.stage import ROOT, MeteredStage, examples, meter_stage, start_afresh
from bench.billing.template import StackTemplate
from infra.functions import FUNCTIONS, FunctionSpec
from infra.schedules import EVERY_5_MINUTES

BATCH = 11  # a batch of so many messages, less one of a single message, is the cost of ten messages
REPETITIONS = 3  # the average of three invocations, as CPU times vary
PATHS = ":".join(str(ROOT / folder) for folder in ("shared", "functions", "."))


@dataclass(frozen=True)
class Operation:
    """The amounts of an invocation in an environment that has run before, and what a new environment needs more."""

    warm: Amounts
    start: Amounts = field(default_factory=Amounts)

    def times(self, number: float, cold_share: float) -> Amounts:
        """The amounts of `number` invocations, of which a share is in new environments."""
        return self.warm * number + self.start * (number * cold_share)


@dataclass(frozen=True)
class Workload:
    """The measured amounts of each operation."""

    chat: Operation
    key_lookup: Amounts  # what a call needs more when its key is not in the cache
    batch: Operation  # a usage batch of one message
    message: Amounts  # each further message of a batch
    feedback: Operation
    drop: Amounts  # a file and the reminder to settle
    training: Amounts  # export, run, evaluation, decision
    schedules: dict[str, Operation]
    another_tenant: Amounts  # what one more tenant with one dataset adds to one firing of all 5-minute schedules


def measure(deployed: StackTemplate, assumed: Assumptions) -> Workload:
    """Play and count every operation; takes some seconds."""
    starts = measure_starts()
    with meter_stage(deployed, assumed) as (stage, meter):
        return _Measurement(stage, meter, deployed, assumed, starts).workload()


@dataclass
class _Measurement:
    stage: MeteredStage
    meter: Meter
    deployed: StackTemplate
    assumed: Assumptions
    starts: dict[str, float]

    def workload(self) -> Workload:
        """Measure each operation with the real handlers."""
        drop = self.meter.measure(lambda: self.stage.drop(examples(self.assumed.drop_lines)))
        training = self.meter.measure(self.stage.train)
        names = self.deployed.schedules
        schedules = {name: self._operation(name.split()[0], partial(self.stage.fire, name)) for name in names}
        chat, key_lookup = self._chat()
        batch, message = self._batches()
        feedback = self._feedback()
        return Workload(chat, key_lookup, batch, message, feedback, drop, training, schedules, self._growth())

    def _chat(self) -> tuple[Operation, Amounts]:
        chat = self._operation("complete-chat", partial(self.stage.ask, self.assumed))
        keys = [self.stage.new_key() for _ in range(REPETITIONS)]
        return chat, self._average(lambda: self.stage.ask(self.assumed, keys.pop())) - chat.warm

    def _batches(self) -> tuple[Operation, Amounts]:
        self.stage.open_counters()
        one = self._operation("record-usage", partial(self._count, 1))
        many = self.meter.measure(partial(self._count, BATCH))
        return one, (many - one.warm) * (1 / (BATCH - 1))

    def _count(self, messages: int) -> None:
        """Count a batch of new messages; the chat calls that make them are not part of the measurement."""
        self._answers(messages)
        self.stage.count_usage()

    def _feedback(self) -> Operation:
        answers = self._answers(1 + REPETITIONS)
        return self._operation("record-usage", lambda: self.stage.rate(answers.pop()))

    def _answers(self, number: int) -> list[object]:
        answers: list[object] = []
        self.meter.measure(lambda: answers.extend(self.stage.ask(self.assumed) for _ in range(number)))
        return answers

    def _growth(self) -> Amounts:
        before = self._sweeps()
        self.stage.add_tenant("another")
        return self._sweeps() - before

    def _sweeps(self) -> Amounts:
        sweeps = [schedule for schedule in self.deployed.schedules if schedule.endswith(EVERY_5_MINUTES.name)]
        return sum((self.meter.measure(partial(self.stage.fire, sweep)) for sweep in sweeps), Amounts())

    def _operation(self, function: str, do: Callable[[], object]) -> Operation:
        start_afresh()
        first = self.meter.measure(do)
        warm = self._average(do)
        start = Amounts({"lambda_gb_s": billed_gb_s(self.starts[function], 0, self.deployed.memory_mb[function])})
        return Operation(warm, first - warm + start)

    def _average(self, do: Callable[[], object]) -> Amounts:
        return sum((self.meter.measure(do) for _ in range(REPETITIONS)), Amounts()) * (1 / REPETITIONS)


def measure_starts() -> dict[str, float]:
    """The CPU seconds of each function's cold start, less those of an empty interpreter."""
    empty_s = _cpu_s("sys")
    return {spec.name: max(0.0, _cpu_s(_modules_of(spec)) - empty_s) for spec in FUNCTIONS}


def _modules_of(spec: FunctionSpec) -> str:
    """The function's handler, and the libraries that it imports only when they are first used."""
    return f"{spec.package}.handler, boto3" + (", openai" if spec.provider_key else "")


def _cpu_s(modules: str) -> float:
    before = getrusage(RUSAGE_CHILDREN)
    run([sys.executable, "-c", f"import {modules}"], check=True, env=environ | {"PYTHONPATH": PATHS})  # noqa: S603 - ours
    after = getrusage(RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
