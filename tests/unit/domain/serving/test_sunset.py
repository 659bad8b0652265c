"""Sunsets: whose word counts, and which threshold of an end is announced, once for each date."""

from datetime import date, timedelta

import pytest

from tests.unit.factories import NOW, a_deployment, a_version
from tests.unit.offers import an_offer
from tuneloop.domain.serving.models import SunsetMark, new_model
from tuneloop.domain.serving.sunset import (
    Shutdown,
    Shutdowns,
    due_mark,
    shutdown_of,
    threshold_of,
    versions_in_use,
    with_announced_shutdown,
)

TODAY = date(2026, 7, 1)
ANNOUNCED = Shutdowns(provider="trainer", models={"base-1": date(2026, 9, 1)}, read_at=NOW)
LISTED = an_offer(shutdown_date=date(2027, 1, 1))


def test_the_provider_s_own_word_counts_before_the_catalog_s() -> None:
    assert shutdown_of(["ft-1", "base-1"], LISTED, ANNOUNCED) == Shutdown(
        date(2026, 9, 1), "the provider's own list, read 2026-07-01"
    )
    assert shutdown_of(["other"], LISTED, ANNOUNCED) == Shutdown(date(2027, 1, 1), "a price list")
    assert shutdown_of(["other"], an_offer(), ANNOUNCED) is None
    assert shutdown_of(["base-1"], None, None) is None


def test_an_announced_end_is_part_of_the_offer_even_of_an_unknown_one() -> None:
    told, unknown = (with_announced_shutdown(offer, "base-1", ANNOUNCED) for offer in (LISTED, None))

    assert told is not None
    assert unknown is not None
    assert told == LISTED.model_copy(
        update={"shutdown_date": date(2026, 9, 1), "shutdown_source": told.shutdown_source}
    )
    assert (unknown.shutdown_date, unknown.training_per_1m) == (date(2026, 9, 1), None)
    assert with_announced_shutdown(LISTED, "base-1", None) == LISTED


@pytest.mark.parametrize(
    ("days", "threshold"), [(-1, None), (0, 7), (7, 7), (8, 30), (30, 30), (31, 60), (61, 90), (90, 90), (91, None)]
)
def test_a_threshold_is_the_smallest_that_an_end_is_within(days: int, threshold: int | None) -> None:
    assert threshold_of(days) == threshold


@pytest.mark.parametrize(
    ("marked", "is_due"),
    [(None, True), (SunsetMark(shutdown_date=TODAY + timedelta(20), threshold=60), True),
     (SunsetMark(shutdown_date=TODAY + timedelta(20), threshold=30), False),
     (SunsetMark(shutdown_date=TODAY + timedelta(20), threshold=7), False),
     (SunsetMark(shutdown_date=TODAY + timedelta(21), threshold=7), True)],
    ids=["never", "a larger one", "this one", "a smaller one", "another date"],
)  # fmt: skip
def test_each_threshold_is_announced_once_for_a_date(marked: SunsetMark | None, is_due: bool) -> None:
    end = Shutdown(TODAY + timedelta(20), "a list")

    mark = due_mark(a_version(sunset=marked), end, TODAY)

    assert mark == (SunsetMark(shutdown_date=end.on, threshold=30) if is_due else None)
    assert due_mark(a_version(), None, TODAY) is None
    assert due_mark(a_version(), Shutdown(TODAY + timedelta(91), "a list"), TODAY) is None


def test_versions_in_use_serve_served_before_may_serve_or_are_the_newest() -> None:
    model = new_model("acme", "support", "trainer", "base-1", NOW).model.model_copy(update={"latest_version": 9})

    assert versions_in_use(model, a_deployment(stable=3, candidate=4, previous=1)) == [1, 3, 4, 9]
    assert versions_in_use(model, a_deployment(stable=9)) == [9]
