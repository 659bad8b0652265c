"""Counts and eligibility: exact figures, and the sentence that follows from them."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneloop.domain.counts import (
    LONGEST_NAME,
    MOST_NAMES,
    Counted,
    Part,
    Statistics,
    percentile,
    statistics_of,
    tokens_of,
)
from tuneloop.domain.eligibility import LEVELS, Level, eligibility, level_of
from tuneloop.domain.policy import Policy
from tuneloop.domain.reviews import Status

COUNTED = st.builds(
    Counted,
    status=st.sampled_from(Status),
    category=st.none() | st.sampled_from(["a", "b"]),
    source=st.none() | st.sampled_from(["app", "correction", "confirmation"]),
    preference=st.booleans(),
    quality=st.none() | st.floats(0, 1),
    tokens=st.integers(1, 300_000),
)
POLICIES = st.builds(
    Policy, min_quality=st.floats(0, 1), validated_only=st.booleans(), categories=st.none() | st.just(("a",))
)


def a_count(**changes: Any) -> Counted:
    return Counted(Status.UNREVIEWED, "a", "app", preference=False, quality=0.9, tokens=10)._replace(**changes)


def counted(*examples: Counted, policy: Policy | None = None) -> Statistics:
    return statistics_of(examples, policy or Policy(), revision=1, updated_at=None)


@given(st.lists(COUNTED, max_size=30), POLICIES)
def test_every_example_is_counted_once_in_each_way(examples: list[Counted], policy: Policy) -> None:
    found = counted(*examples, policy=policy)

    assert sum(found.statuses.values()) == len(examples) == found.examples
    assert sum(part.examples for part in found.categories.values()) + found.uncategorised == len(examples)
    apart = found.corrections + found.confirmations + found.unsourced
    assert sum(found.sources.values()) + apart == len(examples)
    assert not {"correction", "confirmation"} & found.sources.keys()
    assert sum(bucket.examples for bucket in found.tokens.buckets) == len(examples)
    assert found.tokens.total == sum(each.tokens for each in examples)
    assert sum(part.usable for part in found.categories.values()) <= found.usable <= found.examples


@given(st.lists(st.integers(1, 50), min_size=1), st.sampled_from([50, 95]))
def test_a_percentile_is_a_value_that_so_many_don_t_exceed(values: list[int], percent: int) -> None:
    found = percentile(Counter(values), percent)

    assert found in values
    assert sum(value <= found for value in values) * 100 >= percent * len(values)
    assert sum(value < found for value in values) * 100 < percent * len(values)


def test_a_bucket_ends_where_it_says() -> None:
    buckets = tokens_of(Counter([64, 65, 131_072, 131_073, 10**6])).buckets

    assert {bucket.up_to: bucket.examples for bucket in buckets if bucket.examples} == {
        64: 1,
        128: 1,
        131_072: 1,
        None: 2,
    }


@pytest.mark.parametrize(
    ("changes", "policy", "usable"),
    [
        ({}, {}, 1),
        ({"quality": None}, {}, 1),
        ({"quality": 0.79}, {}, 0),
        ({"status": Status.REJECTED}, {}, 0),
        ({}, {"validated_only": True}, 0),
        ({"status": Status.APPROVED}, {"validated_only": True}, 1),
        ({}, {"categories": ("b",)}, 0),
    ],
)
def test_usable_is_what_an_export_may_take(changes: dict[str, object], policy: dict[str, object], usable: int) -> None:
    assert counted(a_count(**changes), policy=Policy.model_validate(policy)).usable == usable


def test_more_names_than_a_row_holds_are_counted_together() -> None:
    names = [f"{number:04}" for number in range(MOST_NAMES + 3)] + ["x" * (LONGEST_NAME + 1)]

    found = counted(*(a_count(category=name, source=name) for name in [*names, "0502"]))

    assert (len(found.categories), found.other_categories) == (MOST_NAMES, 4)
    assert (len(found.sources), found.other_sources) == (MOST_NAMES, 4)
    assert found.categories["0502"].examples == 2


@pytest.mark.parametrize(
    ("examples", "level"),
    [
        (0, "too_few"),
        (9, "too_few"),
        (10, "works"),
        (50, "better"),
        (99, "better"),
        (100, "good"),
        (500, "professional"),
    ],
)
def test_the_level_is_the_highest_that_is_reached(examples: int, level: str) -> None:
    assert level_of(examples) == level


@given(st.integers(0, 1000), st.integers(0, 50), st.integers(1, 600))
def test_what_is_recommended_fits_the_verdict(usable: int, unused: int, required: int) -> None:
    found = Statistics(revision=1, examples=usable + unused, usable=usable)

    verdict = eligibility(found, required, 0)

    assert verdict.eligible == (usable >= required)
    assert verdict.recommendation.startswith("Train now" if verdict.eligible else f"Add {required - usable:,} more")
    assert ("are left out" in verdict.recommendation) == bool(unused)
    assert ("highest level" in verdict.recommendation) == (verdict.eligible and usable >= LEVELS[-1][0])
    assert verdict.level in Level


def test_categories_that_are_short_are_named_the_shortest_first() -> None:
    parts = {name: Part(examples=9, usable=count) for name, count in {"a": 4, "b": 1, "c": 9, "d": 2, "e": 3}.items()}
    found = Statistics(revision=1, examples=45, usable=19, categories=parts)

    verdict = eligibility(found, 10, 5)

    assert (verdict.eligible, verdict.short) == (False, {"a": 4, "b": 1, "d": 2, "e": 3})
    assert verdict.recommendation.endswith("fewer than 5: b (1), d (2), e (3) and 1 more.")
