"""An invocation in a process of its own, as on Lambda, with something in the way of one of its calls.

The process is forked from one that has everything imported and no connection open. It reports every call that leaves
it before it is made, so that what a killed one did is known too. Calls are those of boto3's clients and of the
provider's port: nothing else leaves a function.
"""

import importlib
import json
import os
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from time import sleep
from typing import Any, NamedTuple, NoReturn

import botocore.client
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError

from infra.functions import FUNCTIONS
from tests.world import Context
from tuneloop.app import app
from tuneloop.app import utc_now as real_now
from tuneloop.domain.core.errors import ProviderUnavailable
from tuneloop.domain.training.jobs import ProviderJob

PACKAGES = (*(spec.package for spec in FUNCTIONS), "tuneloop")
KILLED = 137
LATE_S = 0.3
CREATE, UPLOAD = "provider.create_job", "provider.upload"
STAYS_HERE = ("capabilities", "prepare", "close", "name", "region", "hosting")
AWAY = "The provider can't answer now (test). Try again later."


class How(StrEnum):
    """What happens at a call."""

    FAILS_BEFORE = "fails before its effect"
    FAILS_AFTER = "fails after its effect"
    KILLED_BEFORE = "the process dies before it"
    KILLED_AFTER = "the process dies after it"
    OVERLAPS = "the same event is delivered again meanwhile"


class Point(NamedTuple):
    """A call: the `number`th of its kind that a function makes in a scenario, from 1."""

    function: str
    call: str
    number: int


class Fault(NamedTuple):
    """What happens where."""

    point: Point
    how: How


@dataclass
class Weather:
    """What a provider does to everybody: lists that show a job only after a while, a first create that arrives late.

    Late is when the caller has given up already; rounds go by in tenths of a second, so that is late enough.
    """

    hides_s: float = 0.0
    is_late: bool = False


@dataclass
class Outcome:
    """What became of an invocation: the calls that it made, the events that the bus took, its answer if it has one."""

    calls: list[str] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    answer: Any = None
    fired: bool = False
    ended: str = "killed"


@dataclass
class Invoker:
    """Invokes functions `offset_s` seconds from now, with a fault while it has not happened yet."""

    fault: Fault | None = None
    weather: Weather = field(default_factory=Weather)
    offset_s: float = 0.0
    made: Counter[tuple[str, str]] = field(default_factory=Counter)
    fired: bool = False

    @property
    def now(self) -> datetime:
        """The time as the functions see it."""
        return real_now() + timedelta(seconds=self.offset_s)

    def invoke(self, function: str, event: dict[str, Any]) -> Outcome:
        """Invoke a function once, and again meanwhile where the fault says so."""
        said, says = os.pipe()
        waits, goes = os.pipe()
        if not (child := os.fork()):
            os.close(said)
            os.close(goes)
            _Invocation(self, function, os.fdopen(says, "w", buffering=1), waits).run(event)
        os.close(says)
        os.close(waits)
        outcome = Outcome()
        with os.fdopen(said) as lines, os.fdopen(goes, "wb", buffering=0) as go:
            for line in lines:
                self._hear(json.loads(line), outcome, function, lambda: self._again(function, event, go))
        os.waitpid(child, 0)
        return outcome

    def _hear(self, said: dict[str, Any], outcome: Outcome, function: str, overlap: Callable[[], Outcome]) -> None:
        match said:
            case {"call": call}:
                outcome.calls.append(call)
                self.made[function, call] += 1
            case {"event": event}:
                outcome.events.append(event)
            case {"fired": how}:
                self.fired = outcome.fired = True
                if how == How.OVERLAPS:
                    outcome.events += overlap().events
            case {"ended": ended, "answer": answer}:
                outcome.ended, outcome.answer = ended, answer

    def _again(self, function: str, event: dict[str, Any], go: Any) -> Outcome:
        second = Invoker(weather=self.weather, offset_s=self.offset_s).invoke(function, event)
        go.write(b"go")
        return second


class _Invocation:
    """The child's side."""

    def __init__(self, invoker: Invoker, function: str, report: Any, waits: int) -> None:
        self._function, self._report, self._waits = function, report, waits
        self._fault = None if invoker.fired else invoker.fault
        self.weather = invoker.weather
        self.now: Callable[[], datetime] = lambda: real_now() + timedelta(seconds=invoker.offset_s)
        self._made = Counter(invoker.made)

    def run(self, event: dict[str, Any]) -> None:
        """Run the handler and end the process."""
        log = os.open(os.environ["FAULTS_LOG"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        self._install()
        ended, answer = "failed", None
        try:
            answer = importlib.import_module(f"{self._function.replace('-', '_')}.handler").handler(event, Context())
            ended = "done"
        except Exception as error:  # noqa: BLE001 - Lambda itself: a failed invocation is reported, and delivered again
            sys.stderr.write(f"{error!r}\n")
        self._say({"ended": ended, "answer": answer})
        os._exit(0)

    def late(self, make: Callable[[], Any]) -> NoReturn:
        """Let somebody else make a call in a moment, and give up on it now."""
        if os.fork():
            raise _provider_faults()[1]
        try:
            self._report.close()
            self._report, self._fault = open(os.devnull, "w"), None  # noqa: SIM115 - nobody hears of it
            sleep(LATE_S)
            make()
        finally:
            os._exit(0)  # whatever happens: it must not go on as a second test

    def is_first(self, call: str) -> bool:
        """Whether a call that is being made is the first of its kind in the scenario."""
        return self._made[self._function, call] == 1

    def _say(self, what: dict[str, Any]) -> None:
        self._report.write(json.dumps(what) + "\n")

    def _install(self) -> None:
        for name, module in list(sys.modules.items()):
            if name.partition(".")[0] in PACKAGES and hasattr(module, "utc_now"):
                setattr(module, "utc_now", self.now)  # noqa: B010 - a module's name, not a class's
        make = botocore.client.BaseClient._make_api_call  # type: ignore[attr-defined]

        def make_call(client: Any, operation: str, arguments: dict[str, Any]) -> Any:
            service = client.meta.service_model.service_name
            answer = self.call(f"{service}.{operation}", lambda: make(client, operation, arguments), _aws_faults)
            if operation == "PutEvents":
                self._report_events(arguments["Entries"], answer["Entries"])
            return answer

        botocore.client.BaseClient._make_api_call = make_call  # type: ignore[attr-defined]
        get = app.providers.get
        app.providers.get = lambda name: _Provider(get(name), self)  # type: ignore[method-assign]

    def _report_events(self, entries: list[Any], results: list[Any]) -> None:
        for entry, result in zip(entries, results, strict=True):
            if "ErrorCode" not in result:
                self._say({"event": {"detail-type": entry["DetailType"], "detail": json.loads(entry["Detail"])}})

    def call(self, call: str, make: Callable[[], Any], faults: Callable[[], tuple[Exception, Exception]]) -> Any:
        """Make a call, unless something is in its way; `faults` gives what it fails with before and after."""
        self._say({"call": call})
        self._made[self._function, call] += 1
        point = Point(self._function, call, self._made[self._function, call])
        how = self._fault.how if self._fault and self._fault.point == point else None
        if how:
            self._say({"fired": how})
        match how:
            case How.FAILS_BEFORE:
                raise faults()[0]
            case How.KILLED_BEFORE:
                os._exit(KILLED)
            case How.OVERLAPS:
                os.read(self._waits, 2)
        answer = make()
        if how == How.KILLED_AFTER:
            os._exit(KILLED)
        if how == How.FAILS_AFTER:
            raise faults()[1]
        return answer


class _Provider:
    """The real provider, each of its methods a call."""

    def __init__(self, real: Any, invocation: _Invocation) -> None:
        self._real, self._invocation = real, invocation

    def __getattr__(self, name: str) -> Any:
        found: Callable[..., Any] = getattr(self._real, name)
        if name in STAYS_HERE:
            return found

        def make(*args: Any, **named: Any) -> Any:
            if name == "create_job" and self._invocation.weather.is_late and self._invocation.is_first(CREATE):
                return self._invocation.late(lambda: found(*args, **named))
            answer = found(*args, **named)
            return [job for job in answer if not self._is_hidden(job)] if name in ("jobs", "find_jobs") else answer

        return lambda *args, **named: self._invocation.call(
            f"provider.{name}", lambda: make(*args, **named), _provider_faults
        )

    def _is_hidden(self, job: ProviderJob) -> bool:
        now = self._invocation.now()
        return now - (job.created_at or now) < timedelta(seconds=self._invocation.weather.hides_s)


def _aws_faults() -> tuple[Exception, Exception]:
    return EndpointConnectionError(endpoint_url="http://aws"), ReadTimeoutError(endpoint_url="http://aws")


def _provider_faults() -> tuple[Exception, Exception]:
    return ProviderUnavailable(AWAY), ProviderUnavailable(AWAY)
