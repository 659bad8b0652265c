"""Events in any order, each as often as it likes, and schedules in between: the loop ends where it ends undisturbed."""

import json
from collections.abc import Sequence
from itertools import count, cycle
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.functions import FUNCTIONS
from tests.functions import steps
from tests.functions.event_files import FILES, read
from tests.world import BUCKET, World, http_event, invoke, sqs_event
from tuneloop.app import app, utc_now
from tuneloop.domain.evaluation.evaluations import Evaluation
from tuneloop.domain.serving.usage import UsageBatch, UsageRecord
from tuneloop.store import keys
from tuneloop.store.outbox import Bus, OutboxRow

SWEEPS = [(spec.name, clock.name) for spec in FUNCTIONS for clock in spec.schedules if clock.name != "monthly"]
CONSUMERS = {
    kind: [spec.name for spec in FUNCTIONS if kind in spec.events] for spec in FUNCTIONS for kind in spec.events
}
DISTURBANCES = ("it comes again", "an old one comes again", "a schedule fires")
MOST_STEPS = 200
numbers = count()
Event = dict[str, Any]


class Delivery(NamedTuple):
    """Something that wakes functions: what it is, which ones, and with what."""

    kind: str
    functions: list[str]
    event: Event


class ShuffledWorld(World):
    """A stage in which what is under way arrives as somebody else chooses."""

    def __init__(self, tenant: str, patch: pytest.MonkeyPatch) -> None:
        super().__init__(tenant)
        self.pool: list[Delivery] = []
        self.old: list[Delivery] = []
        self.kinds: set[str] = set()

        def heard(rows: Sequence[OutboxRow]) -> list[OutboxRow]:
            accepted = Bus.put(app.bus, rows)
            self.pool += [_on_the_bus(row) for row in accepted]
            return accepted

        patch.setattr(app.bus, "put", heard)

    def s3_event(self, key: str, etag: str, version: str | None = None) -> None:
        """Let S3's event wait for its turn, and a request of its user for the same with it."""
        found = {"key": key, "etag": etag, "size": 1} | ({"version-id": version} if version else {})
        detail = {"bucket": {"name": BUCKET}, "object": found}
        event = {"id": "drop", "source": "aws.s3", "detail-type": "Object Created", "detail": detail}
        self.pool.append(Delivery("drop", ["collect-examples"], event))

    def asks(self) -> None:
        """Let a user's request for a run, and what calls have cost, wait for their turn."""
        request = http_event("POST /v1/training-runs", "/v1/training-runs", {"dataset": "support"}, self.key, {})
        self.pool.append(Delivery("http", ["launch-finetune"], request))
        record = UsageRecord(model="support", version=0, prompt_tokens=3, completion_tokens=2, at=utc_now())
        usage = UsageBatch(id="batch-1", tenant=self.tenant, records=[record]).model_dump_json()
        self.pool.append(Delivery("usage", ["record-usage"], sqs_event("usage", usage)))

    def gather(self) -> int:
        """Take what is on its way: new rows of the outbox by the stream, messages by the queue; how much waits."""
        waiting = {
            _place(row)
            for delivery in self.pool
            for row in delivery.event.get("Records", [])
            if delivery.kind == "stream"
        }
        for row in self._unrelayed():
            if _place(record := {"eventSource": "aws:dynamodb", "dynamodb": {"NewImage": row}}) not in waiting:
                self.pool.append(Delivery("stream", ["relay-events"], {"Records": [record]}))
        url = self.sqs.get_queue_url(QueueName="tuneloop-test-examples")["QueueUrl"]
        for message in self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            event = sqs_event("examples", message["Body"], message["MessageId"])
            self.pool.append(Delivery("queue", ["collect-posts"], event))
        return len(self.pool)

    def is_reminded_later(self) -> bool:
        """Whether a message of the queue is still to be waited for: on a quick machine all else is over before."""
        url = self.sqs.get_queue_url(QueueName="tuneloop-test-examples")["QueueUrl"]
        name: Any = "ApproximateNumberOfMessagesDelayed"
        return self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name] != "0"

    def _unrelayed(self) -> list[Any]:
        names = {":unrelayed": {"S": keys.UNRELAYED}}
        found = self.dynamodb.query(
            TableName=app.table.name,
            IndexName=keys.SWEEP,
            KeyConditionExpression="sweep_pk = :unrelayed",
            ExpressionAttributeValues=names,
        )
        return [row for row in found["Items"] if f"#{self.tenant}#" in row["pk"]["S"]]

    def deliver(self, index: int, *, again: bool) -> None:
        """Deliver one thing to all that listen; `again` leaves it to come once more."""
        coming = self.pool[index] if again else self.pool.pop(index)
        self.old.append(coming)
        self.kinds.add(coming.kind)
        for function in coming.functions:
            invoke(function, coming.event)


def _place(record: Event) -> tuple[str, str]:
    row = record["dynamodb"]["NewImage"]
    return row["pk"]["S"], row["sk"]["S"]


def _on_the_bus(row: OutboxRow) -> Delivery:
    event = {"id": row.sk, "source": "tuneloop", "detail-type": row.event_type, "detail": json.loads(row.detail)}
    return Delivery(row.event_type, CONSUMERS.get(row.event_type, []), event)


def state(world: World) -> dict[str, Any]:
    """Where the loop stands, but for what no two tenants share: ids, times, and which rows are held out."""
    runs, exports = list(app.runs.all(world.tenant)), app.exports.all(world.tenant, "support")
    evaluations = app.evaluations.page(world.tenant, 20, None).data
    stable = app.models.deployment(world.tenant, "support").stable
    return {
        "dataset": app.datasets.get(world.tenant, "support").examples,
        "exports": [export.revision for export in exports],
        "runs": [(run.status.value, run.version, run.attempt, len(run.other_jobs)) for run in runs],
        "versions": app.models.get(world.tenant, "support").latest_version,
        "registered": app.models.version(world.tenant, "by-hand", 1).status.value,
        "evaluations": [(one.candidate, one.stable, one.status.value) for one in evaluations],
        "serves what was proved": stable == max((one.candidate for one in evaluations if proved(one)), default=0),
        "changes": len(steps.history(world)),
        "calls": [(row["version"], row["calls"], row["prompt_tokens"]) for row in steps.usage(world)],
    }


def proved(evaluation: Evaluation) -> bool:
    return bool(evaluation.verdict and evaluation.verdict.promote)


def finish(world: ShuffledWorld, disturbances: list[tuple[str, int]], order: list[int]) -> None:
    """Let everything arrive that is under way, and the trainer end its job, until nothing is left to happen.

    Before each delivery comes one of the disturbances, while there are any; `order` says which event is next.
    """
    coming, places = iter(disturbances), cycle(order)
    for _ in range(MOST_STEPS):
        if not world.gather():
            unfinished = [run for run in app.runs.open() if run.tenant == world.tenant]
            if unfinished:
                steps.followed(world, unfinished[0].id)
                continue
            if world.is_reminded_later():
                steps.until(world.gather)
                continue
            world.schedule("collect-examples")  # a reminder that came too early is not sent again
            if not world.gather():
                return
        index = next(places) % len(world.pool)
        disturbance, number = next(coming, ("", 0))
        if disturbance == "a schedule fires":
            function, name = SWEEPS[number % len(SWEEPS)]
            invoke(function, {"schedule": name})
        if disturbance == "an old one comes again" and world.old:
            world.pool.append(world.old[number % len(world.old)])
        world.deliver(index, again=disturbance == "it comes again")
    raise AssertionError("the loop does not come to rest")


def begun(tenant: str, patch: pytest.MonkeyPatch) -> ShuffledWorld:
    world = ShuffledWorld(tenant, patch)
    world.drop("support", steps.questions(60))
    world.asks()
    world.call("POST /v1/models", "/v1/models", {"id": "by-hand"})
    by_hand = {"provider_model": steps.BASE_MODEL}
    world.call("POST /v1/models/{model}/versions", "/v1/models/by-hand/versions", by_hand)
    return world


@pytest.fixture
def undisturbed(live: World, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Where a loop ends in which each event arrives once and in order."""
    world = begun(f"{live.tenant[:40]}-plain", monkeypatch)
    finish(world, [], [0])
    ours = {name.partition(".")[2] for name in FILES if read(name).get("source") == "tuneloop"}
    assert {*ours, "drop", "http", "queue", "stream", "usage"} <= world.kinds
    return state(world)


@settings(
    max_examples=3,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    disturbances=st.lists(st.tuples(st.sampled_from(DISTURBANCES), st.integers(0, 99)), max_size=12),
    order=st.lists(st.integers(0, 99), min_size=1, max_size=12),
)
def test_a_loop_ends_the_same_however_its_events_arrive(
    disturbances: list[tuple[str, int]],
    order: list[int],
    live: World,
    undisturbed: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = begun(f"{live.tenant[:40]}-{next(numbers)}", monkeypatch)

    finish(world, disturbances, order)

    assert state(world) == undisturbed
