"""Events in any order, each as often as it likes, and schedules in between: the loop ends where it ends undisturbed."""

import json
from itertools import count, cycle
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.functions import FUNCTIONS
from tests.functions import steps
from tests.functions.test_events import FILES, read
from tests.world import World, invoke
from tuneloop.app import app, utc_now
from tuneloop.domain.evaluation import Evaluation
from tuneloop.store.outbox import OutboxRow

SWEEPS = [(spec.name, clock.name) for spec in FUNCTIONS for clock in spec.schedules if clock.name != "monthly"]
CONSUMERS = {
    kind: [spec.name for spec in FUNCTIONS if kind in spec.events] for spec in FUNCTIONS for kind in spec.events
}
DISTURBANCES = ("it comes again", "an old one comes again", "a schedule fires")
MOST_STEPS = 200
numbers = count()
Event = dict[str, Any]


class Shuffled(World):
    """A stage in which what is under way arrives as somebody else chooses."""

    def __init__(self, tenant: str) -> None:
        super().__init__(tenant)
        self.pool: list[Event] = []
        self.kinds: set[str] = set()

    def gather(self) -> int:
        """Take what is on its way to the bus; how much waits to be delivered."""
        for row in list(app.outbox.unrelayed(utc_now())):
            app.outbox.relayed(row)
            self.pool.append(_event_of(row))
        return len(self.pool)

    def deliver(self, index: int, *, again: bool) -> None:
        """Deliver one event to all that listen; `again` leaves it to come once more."""
        event = self.pool[index] if again else self.pool.pop(index)
        self.events.append(event)
        self.kinds.add(event["detail-type"])
        for function in CONSUMERS.get(event["detail-type"], []):
            invoke(function, event)


def _event_of(row: OutboxRow) -> Event:
    return {"id": row.sk, "source": "tuneloop", "detail-type": row.event_type, "detail": json.loads(row.detail)}


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
        "evaluations": [(one.candidate, one.stable, one.status.value) for one in evaluations],
        "serves what was proved": stable == max((one.candidate for one in evaluations if proved(one)), default=0),
        "changes": len(steps.history(world)),
    }


def proved(evaluation: Evaluation) -> bool:
    return bool(evaluation.verdict and evaluation.verdict.promote)


def finish(world: Shuffled, disturbances: list[tuple[str, int]], order: list[int]) -> None:
    """Let everything arrive that is under way, and the trainer end its job, until nothing is left to happen.

    Before each delivery comes one of the disturbances, while there are any; `order` says which event is next.
    """
    coming, places = iter(disturbances), cycle(order)
    for _ in range(MOST_STEPS):
        world._messages("examples")
        if not world.gather():
            unfinished = [run for run in app.runs.open() if run.tenant == world.tenant]
            if not unfinished:
                return
            steps.followed(world, unfinished[0].id)
            continue
        index = next(places) % len(world.pool)
        disturbance, number = next(coming, ("", 0))
        if disturbance == "a schedule fires":
            function, name = SWEEPS[number % len(SWEEPS)]
            invoke(function, {"schedule": name})
        if disturbance == "an old one comes again" and world.events:
            world.pool.append(world.events[number % len(world.events)])
        world.deliver(index, again=disturbance == "it comes again")
    raise AssertionError("the loop does not come to rest")


def begun(tenant: str) -> Shuffled:
    world = Shuffled(tenant)
    world.drop("support", steps.questions(60))
    world.schedule("collect-examples")
    return world


@pytest.fixture
def undisturbed(live: World) -> dict[str, Any]:
    """Where a loop ends in which each event arrives once and in order."""
    world = begun(f"{live.tenant[:40]}-plain")
    finish(world, [], [0])
    assert {name.partition(".")[2] for name in FILES if read(name).get("source") == "tuneloop"} <= world.kinds
    return state(world)


@settings(
    max_examples=6,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    disturbances=st.lists(st.tuples(st.sampled_from(DISTURBANCES), st.integers(0, 99)), max_size=12),
    order=st.lists(st.integers(0, 99), min_size=1, max_size=12),
)
def test_a_loop_ends_the_same_however_its_events_arrive(
    disturbances: list[tuple[str, int]], order: list[int], live: World, undisturbed: dict[str, Any]
) -> None:
    world = begun(f"{live.tenant[:40]}-{next(numbers)}")

    finish(world, disturbances, order)

    assert state(world) == undisturbed
