"""The workload: everything that happens in a stage's month, done once by the real handlers and counted."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from bench.billing.assumptions import Assumptions
from bench.billing.deployed import Deployed
from bench.billing.meter import Meter, billed_gb_s
from bench.billing.stage import DATASET, Stage, lines, metered, start_afresh
from bench.billing.starts import measure_starts
from bench.billing.tally import Tally, total
from infra.schedules import EVERY_5_MINUTES
from tests import world as worlds
from tests.world import sqs_event
from tuneloop.domain.access import Scope

BATCH = 11  # messages of the larger of two batches: the difference is what ten of them cost
REPETITIONS = 3


@dataclass(frozen=True)
class Operation:
    """What an invocation costs where its environment has run before, and what one in a new environment costs more."""

    warm: Tally
    start: Tally = field(default_factory=Tally)

    def times(self, number: float, cold_share: float) -> Tally:
        """So many of them, a share of them in new environments."""
        return self.warm * number + self.start * (number * cold_share)


@dataclass(frozen=True)
class Workload:
    """The counted operations."""

    chat: Operation
    key_lookup: Tally  # what a call costs more when its key was not looked up for 30 s
    batch: Operation  # a usage batch of one message
    message: Tally  # each further message of a batch
    feedback: Operation
    drop: Tally  # a file and the reminder to settle
    training: Tally  # export, run, evaluation, decision
    schedules: dict[tuple[str, str], Operation]
    another_tenant: Tally  # what one more tenant with one dataset adds to one firing of all 5-minute schedules


def measure(deployed: Deployed, assumed: Assumptions) -> Workload:
    """Run and count everything; takes seconds."""
    starts = measure_starts()
    with metered(deployed, assumed) as (stage, meter):
        return _Measuring(stage, meter, deployed, assumed, starts).workload()


@dataclass
class _Measuring:
    stage: Stage
    meter: Meter
    deployed: Deployed
    assumed: Assumptions
    starts: dict[str, float]

    def workload(self) -> Workload:
        drop, training = self._counted(self._drop), self._counted(self.stage.train)
        schedules = {each: self._operation(each[0], partial(self._fire, *each)) for each in self.deployed.schedules}
        chat, key_lookup = self._chat()
        batch, message = self._batches()
        feedback = self._feedback()
        return Workload(chat, key_lookup, batch, message, feedback, drop, training, schedules, self._growth())

    def _drop(self) -> None:
        self.stage.drop(DATASET, lines(self.assumed.drop_lines))
        self.stage.settle_dataset()

    def _fire(self, function: str, schedule: str) -> None:
        self.stage.schedule(function, schedule)

    def _chat(self) -> tuple[Operation, Tally]:
        ask = partial(self.stage.ask, self.assumed)
        chat = self._operation("complete-chat", lambda: ask(self.stage.key))
        keys = [self.stage.new_key(*Scope) for _ in range(REPETITIONS)]
        looked_up = total([self._counted(partial(ask, key)) for key in keys]) * (1 / len(keys))
        return chat, looked_up.more_than(chat.warm)

    def _batches(self) -> tuple[Operation, Tally]:
        self.stage.open_counters()
        one = self._operation("record-usage", partial(self._record, 1))
        many = self._counted(partial(self._record, BATCH))
        return one, many.more_than(one.warm) * (1 / (BATCH - 1))

    def _record(self, messages: int) -> None:
        """Count a batch of messages that were not counted before; asking for them is not part of it."""
        with self.meter.recorded():
            for _ in range(messages):
                self.stage.ask(self.assumed, self.stage.key)
        bodies = self.stage.usage_messages()
        records = [sqs_event("usage", body, f"m{place}")["Records"][0] for place, body in enumerate(bodies)]
        worlds.invoke("record-usage", {"Records": records})

    def _feedback(self) -> Operation:
        with self.meter.recorded():
            answers = [self.stage.ask(self.assumed, self.stage.key) for _ in range(1 + REPETITIONS)]
        return self._operation("record-usage", lambda: self.stage.rate(answers.pop()))

    def _growth(self) -> Tally:
        sweeps = [each for each in self.deployed.schedules if each[1] == EVERY_5_MINUTES.name]
        before = total([self._counted(partial(self._fire, *each)) for each in sweeps])
        self.stage.add_tenant("another")
        return total([self._counted(partial(self._fire, *each)) for each in sweeps]).more_than(before)

    def _operation(self, function: str, run: Callable[[], object]) -> Operation:
        start_afresh()
        first = self._counted(run)
        warm = total([self._counted(run) for _ in range(REPETITIONS)]) * (1 / REPETITIONS)
        memory_mb = self.deployed.functions[function].memory_mb
        start = Tally({"lambda_gb_s": billed_gb_s(self.starts[function], 0, memory_mb)})
        return Operation(warm, first.more_than(warm) + start)

    def _counted(self, run: Callable[[], object]) -> Tally:
        with self.meter.recorded() as tallies:
            run()
        return total(tallies)
