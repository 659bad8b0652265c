"""The loop as its events drive it: delivered, delivered again after a failure, and swept, until nothing moves."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from time import sleep
from typing import Any
from uuid import uuid4

from boto3.dynamodb.types import TypeDeserializer

from infra.functions import FUNCTIONS
from tests.faults.invocation import Invoker
from tests.faults.world import Ground
from tests.world import http_event

DELIVERIES = 3  # what EventBridge and Lambda make of an asynchronous event: once, and twice again
ROUND_S = 70.0
MOST_ROUNDS = 60
PAUSE_S = 0.1  # the provider trains in real time, whatever the functions' clock says
SCHEDULED = ("launch-finetune", "check-status", "evaluate")
Row = dict[str, Any]
_plain = TypeDeserializer()


@dataclass
class Loop:
    """One tenant's loop; `seen` are the events that the bus took."""

    ground: Ground
    tenant: str
    key: str
    invoker: Invoker
    seen: list[tuple[str, str]] = field(default_factory=list)

    def call(self, route: str, path: str, body: Any = None) -> None:
        """Ask the API as a user would: again, where there was no answer or a failure of ours."""
        spec = next(spec for spec in FUNCTIONS if tuple(route.split()) in spec.endpoints)
        for _ in range(DELIVERIES):
            said = self.invoker.invoke(spec.name, http_event(route, path, body, self.key, {})).answer
            if said and said["statusCode"] < 500:
                assert said["statusCode"] < 400, said["body"]
                return
        raise AssertionError(f"{route} was not answered")

    def settle(self, is_over: Callable[[list[Row]], bool]) -> list[Row]:
        """Let events and schedules do their work; gives the rows at the end, whether or not it came."""
        for _ in range(MOST_ROUNDS):
            if is_over(rows := self.rows()):
                return rows
            if not self._relay():
                for function in SCHEDULED:
                    self.invoker.invoke(function, {"schedule": "every-5-minutes"})
                self._deliver(self.invoker.invoke("relay-events", {"schedule": "every-5-minutes"}).events)
                self.invoker.offset_s += ROUND_S
                sleep(PAUSE_S)
        return self.rows()

    def rows(self) -> list[Row]:
        """The tenant's rows, plain."""
        return [
            {name: _plain.deserialize(value) for name, value in row.items()} for row in self.ground.rows(self.tenant)
        ]

    def _relay(self) -> bool:
        """Carry what is new in the outbox to the bus, as the table's stream does; whether there was anything."""
        waiting = [row for row in self.ground.rows(self.tenant) if row.get("sweep_pk", {}).get("S") == "UNRELAYED"]
        if not waiting:
            return False
        records = [{"eventSource": "aws:dynamodb", "dynamodb": {"NewImage": row}} for row in waiting]
        for _ in range(DELIVERIES):
            outcome = self.invoker.invoke("relay-events", {"Records": records})
            self._deliver(outcome.events)
            if outcome.ended == "done":
                return bool(outcome.events)
        return False

    def _deliver(self, events: list[dict[str, Any]]) -> None:
        for event in events:
            detail = {name: value for name, value in event["detail"].items() if name != "late"}
            self.seen.append((event["detail-type"], json.dumps(detail, sort_keys=True)))
            delivered = {**event, "id": str(uuid4()), "source": "tuneloop"}
            for spec in FUNCTIONS:
                if event["detail-type"] in spec.events:
                    self._insist(spec.name, delivered)

    def _insist(self, function: str, event: dict[str, Any]) -> None:
        for _ in range(DELIVERIES):
            outcome = self.invoker.invoke(function, event)
            self._deliver(outcome.events)
            if outcome.ended == "done":
                return


def numbered(rows: list[Row], part: str) -> Iterator[Row]:
    """The rows of a kind, told by what stands in their keys."""
    return (row for row in rows if part in row["pk"] or part in row["sk"])


def kinds(seen: list[tuple[str, str]]) -> Counter[str]:
    """How many different events of each kind were seen."""
    return Counter(kind for kind, _ in set(seen))
