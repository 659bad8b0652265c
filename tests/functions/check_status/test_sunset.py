"""Sunsets: whoever would miss a version hears of its end in time, once for each threshold, and what to do instead."""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest

from check_status import sunset
from tests.functions import steps
from tests.functions.conftest import Later
from tests.functions.providers import ProviderProxy
from tests.unit.factories import a_version, an_export
from tests.world import World
from tuneloop.app import app, utc_now
from tuneloop.domain.chat.examples import Split
from tuneloop.domain.core.errors import ProviderUnavailable
from tuneloop.domain.serving.models import VersionStatus
from tuneloop.domain.serving.sunset import threshold_of
from tuneloop.domain.training.model_offers import Offer, Successor
from tuneloop.providers.catalog import price_of
from tuneloop.providers.port import ListedModel

NOVA = "amazon.nova-micro-v1:0"
DAY = 86_400


class ShutdownNotice(ProviderProxy):
    """A provider that shuts its base model down on a day."""

    def __init__(self, on: date | None) -> None:
        super().__init__()
        self.on = on

    def models(self, timeout_s: float = 0) -> Iterator[ListedModel]:  # noqa: ARG002 - the port's
        yield ListedModel(id=steps.BASE_MODEL, shutdown_date=self.on)


def in_days(days: int) -> date:
    return utc_now().date() + timedelta(days=days)


def told(world: World) -> list[dict[str, Any]]:
    """What a day tells, as it waits for the bus: of the two versions of a model in order."""
    world.schedule("check-status", "daily")
    rows = list(app.outbox.backlog(utc_now() + timedelta(days=400)))
    for row in rows:
        app.outbox.mark_relayed(row)
    found = [json.loads(row.detail) for row in rows if row.event_type == "ModelSunsetApproaching"]
    return sorted(found, key=lambda detail: int(detail["version"]))


def with_successor(monkeypatch: pytest.MonkeyPatch, base_model: str = NOVA) -> None:
    offer = Offer(
        price_date=utc_now().date(),
        price_source="this test",
        successor=Successor(provider="bedrock", base_model=base_model),
    )
    monkeypatch.setattr(sunset, "price_of", lambda *of: offer if of[0] == "trainer" else price_of(*of))


@pytest.mark.parametrize(
    ("days", "threshold"), [(91, None), (90, 90), (61, 90), (60, 60), (30, 30), (8, 30), (7, 7), (0, 7), (-1, None)]
)
def test_an_end_is_told_of_by_the_smallest_threshold_that_it_is_within(days: int, threshold: int | None) -> None:
    assert threshold_of(days) == threshold


def test_each_threshold_is_told_once_however_often_the_day_is_repeated(live: World, later: Later) -> None:
    steps.registered(live)
    ending = in_days(95)
    ShutdownNotice(ending)
    assert told(live) == []

    seen = []
    for passed, left in ((6, 89), (36, 59), (66, 29), (67, 28), (89, 6), (90, 5)):
        later(passed * DAY)
        first, again = told(live), told(live)
        assert again == []
        seen += [(event["version"], event["threshold"], event["days_left"]) for event in first]
        assert all(event["days_left"] == left for event in first)

    assert sorted(set(seen)) == sorted(seen)
    assert [(number, threshold) for number, threshold, _ in seen] == [
        (number, threshold) for threshold in (90, 60, 30, 7) for number in (0, 1)
    ]


def test_what_nobody_would_miss_is_not_told_of(live: World) -> None:
    for number in (1, 2, 3):
        assert steps.registered(live) == number
    version = app.models.version(live.tenant, "support", 3)
    with pytest.MonkeyPatch.context() as patch:
        found = app.models.version
        retired = version.model_copy(update={"status": VersionStatus.RETIRED})
        patch.setattr(app.models, "version", lambda *of: retired if of[2] == 3 else found(*of))
        ShutdownNotice(in_days(20))

        assert [event["version"] for event in told(live)] == [0]


def test_a_version_names_its_successor_and_the_cost_of_its_export_there(
    live: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_successor(monkeypatch)
    steps.settled(live, steps.questions(40))
    steps.followed(live, steps.runs(live)[0]["id"])
    live.settle()
    ShutdownNotice(in_days(20))

    base, trained = told(live)

    assert (base["version"], base.get("estimate")) == (0, None)
    assert "registered by hand" in base["estimate_note"] or base["export"]
    assert trained["successor"] == {"provider": "bedrock", "base_model": NOVA}
    tokens = app.exports.get(live.tenant, "support", trained["export"]).files[Split.TRAIN].tokens
    assert trained["estimate"]["low"] <= tokens * 2 / 1e6 <= trained["estimate"]["high"]
    assert (trained["provider"], trained["base_model"]) == ("trainer", steps.BASE_MODEL)
    assert trained["shutdown_date"] == str(in_days(20))


@pytest.mark.parametrize(
    ("base_model", "is_frozen", "why"),
    [
        (NOVA, True, None),
        (NOVA, False, "registered by hand"),
        ("amazon.nova-lite-v1:0", True, "Training: "),
        ("nobody-s", True, "not known"),
    ],
)
def test_an_estimate_that_is_not_known_says_why(
    base_model: str, is_frozen: bool, why: str | None, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    looking = sunset.Sunsets(app.providers, app.tenants, app.models, app.exports, app.provider_rows, utc_now())
    monkeypatch.setattr(app.exports, "find", lambda *_: an_export() if is_frozen else None)

    cost, note = looking._estimate(a_version(), Successor(provider="bedrock", base_model=base_model))

    assert (cost is None) == (why is not None)
    assert note is None if why is None else why in (note or "")
    assert world.events == []


def test_a_date_that_moves_is_told_of_anew(live: World) -> None:
    steps.registered(live)
    ending = ShutdownNotice(in_days(20))
    assert len(told(live)) == 2

    ending.on = in_days(80)

    assert [event["threshold"] for event in told(live)] == [90, 90]
    assert told(live) == []


def test_a_provider_that_is_away_keeps_its_last_word(live: World, later: Later) -> None:
    steps.registered(live)
    ending = ShutdownNotice(in_days(40))
    assert [event["threshold"] for event in told(live)] == [60, 60]

    class Away(ProviderProxy):
        def models(self, timeout_s: float = 0) -> Iterator[ListedModel]:  # noqa: ARG002 - the port's
            raise ProviderUnavailable("The provider can't answer now.")

    ending.leave()
    Away()
    later(15 * DAY)

    assert [event["threshold"] for event in told(live)] == [30, 30]
