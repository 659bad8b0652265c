"""Usage: sums that are exact, and feedback that replaces what was said before."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.factories import a_batch, a_record
from tuneloop.domain.serving.usage import (
    Counters,
    UsageBatch,
    UsageRow,
    counter_changes,
    feedback_counters,
    usage_counters,
)

COUNTS = st.integers(0, 10**9)
COUNTERS = st.builds(
    Counters,
    **{name: COUNTS for name in Counters.model_fields if name != "cost_usd"},
    cost_usd=st.decimals(0, 10**6, places=10),
)
OPINIONS = st.builds(feedback_counters, st.none() | st.integers(1, 5), st.booleans())


@given(COUNTERS, COUNTERS, COUNTERS)
def test_counters_add_up_in_any_order(one: Counters, two: Counters, three: Counters) -> None:
    assert one + two == two + one
    assert (one + two) + three == one + (two + three)
    assert one + Counters() == one


@given(COUNTERS, COUNTERS)
def test_every_counter_is_added_to_the_last_digit(one: Counters, other: Counters) -> None:
    total = one + other

    for name in Counters.model_fields:
        assert getattr(total, name) == getattr(one, name) + getattr(other, name)


@given(COUNTERS)
def test_lines_of_a_report_add_up_like_any_counters(counters: Counters) -> None:
    row = UsageRow(model="support", version=1, day=None, **counters.model_dump())

    assert row + row == Counters() + row + counters == counters + row


@given(st.none() | COUNTERS, COUNTERS)
def test_a_change_leads_from_what_stood_to_what_stands(old: Counters | None, new: Counters) -> None:
    amounts = counter_changes(old, new)
    before = (old or Counters()).model_dump()

    assert Counters(**{name: value + amounts.get(name, 0) for name, value in before.items()}) == new
    assert 0 not in amounts.values()


def test_no_change_adds_nothing() -> None:
    assert counter_changes(Counters(calls=1), Counters(calls=1)) == {}


def test_a_priced_call_counts_its_tokens_and_dollars() -> None:
    found = usage_counters(a_record(prompt_tokens=20, completion_tokens=3, cost_usd=Decimal("0.0000112")))

    assert found == Counters(calls=1, prompt_tokens=20, completion_tokens=3, cost_usd=Decimal("0.0000112"))


@pytest.mark.parametrize(
    ("changes", "failed", "fallbacks", "unpriced"),
    [
        ({}, 0, 0, 0),
        ({"cost_usd": None}, 0, 0, 1),
        ({"cost_usd": Decimal(0)}, 0, 0, 0),
        ({"cost_usd": None, "failed": True}, 1, 0, 0),
        ({"fallback": True}, 0, 1, 0),
    ],
)
def test_a_call_of_unknown_price_is_counted_apart_and_not_as_free(
    changes: dict[str, Any], failed: int, fallbacks: int, unpriced: int
) -> None:
    found = usage_counters(a_record(**changes))

    assert (found.calls, found.failed, found.fallbacks, found.unpriced_calls) == (1, failed, fallbacks, unpriced)


def test_a_call_whose_tokens_nobody_told_is_counted_apart() -> None:
    untold = usage_counters(a_record(prompt_tokens=0, completion_tokens=3, cost_usd=None, is_metered=False))
    failed = usage_counters(a_record(prompt_tokens=0, cost_usd=None, is_metered=False, failed=True))
    cached = usage_counters(a_record(prompt_tokens=20, cached_tokens=15, cost_usd=Decimal("0.1"), is_upper_bound=True))

    assert (untold.unmetered_calls, untold.unpriced_calls, untold.completion_tokens) == (1, 1, 3)
    assert (failed.unmetered_calls, failed.failed) == (0, 1)
    assert (cached.cached_tokens, cached.upper_bound_calls, cached.unmetered_calls) == (15, 1, 0)


@given(st.lists(st.tuples(COUNTS, st.decimals(0, 1, places=9)), max_size=20))
def test_calls_cost_together_what_they_cost_alone(calls: list[tuple[int, Decimal]]) -> None:
    total = sum((usage_counters(a_record(prompt_tokens=n, cost_usd=usd)) for n, usd in calls), start=Counters())

    assert total.calls == len(calls)
    assert total.prompt_tokens == sum(n for n, _ in calls)
    assert total.cost_usd == sum((usd for _, usd in calls), start=Decimal(0))


@given(st.lists(OPINIONS, min_size=1, max_size=6))
def test_only_what_was_said_last_counts(opinions: list[Counters]) -> None:
    total, old = Counters(), None
    for new in opinions:
        total = Counters(
            **{name: value + counter_changes(old, new).get(name, 0) for name, value in total.model_dump().items()}
        )
        old = new

    assert total == opinions[-1]
    assert total.feedback == 1


def test_a_rating_and_a_correction_are_one_piece_of_feedback() -> None:
    assert feedback_counters(2, corrected=True) == Counters(feedback=1, corrections=1, ratings=1, rating_sum=2)
    assert feedback_counters(None, corrected=True) == Counters(feedback=1, corrections=1)


@given(st.none() | st.decimals(0, 1000, places=10))
def test_a_batch_survives_the_queue_with_its_money(usd: Decimal | None) -> None:
    batch = a_batch("b1", a_record(cost_usd=usd))

    assert UsageBatch.model_validate_json(batch.model_dump_json()) == batch


def test_a_message_of_an_older_stage_is_still_counted() -> None:
    batch = a_batch("b1")
    older = batch.model_dump(mode="json")
    older["records"][0] |= {"inference": "chatcmpl-1", "arm": "stable"}

    assert UsageBatch.model_validate_json(json.dumps(older)) == batch
