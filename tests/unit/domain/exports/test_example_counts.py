"""Counts and eligibility: exact figures, and the sentence that follows from them."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneloop.domain.chat.examples import Split
from tuneloop.domain.datasets.policy import DEFAULT, FIRST_RULES, LEAST_TRAINED, Policy
from tuneloop.domain.datasets.reviews import Status
from tuneloop.domain.exports.example_counts import (
    LONGEST_NAME,
    MOST_NAMES,
    ExampleRow,
    GroupStatistics,
    Statistics,
    compute_statistics,
    percentile,
    token_statistics,
)
from tuneloop.domain.exports.policy_filter import Candidate
from tuneloop.domain.training.eligibility import LEVELS, Level, eligibility, level_of

COUNTED = st.builds(
    ExampleRow,
    st.builds(
        Candidate,
        status=st.sampled_from(Status),
        split=st.none() | st.sampled_from([split.value for split in Split]),
        category=st.none() | st.sampled_from(["a", "b"]),
        source=st.none() | st.sampled_from(["app", "correction", "confirmation"]),
        quality=st.none() | st.floats(0, 1),
    ),
    preference=st.booleans(),
    tokens=st.integers(1, 300_000),
    characters=st.integers(0, 40),
    answer=st.integers(1, 5),
    subject=st.integers(0, 3),
    outcome=st.none(),
)
POLICIES = st.builds(
    Policy,
    min_quality=st.floats(0, 1),
    validated_only=st.booleans(),
    categories=st.none() | st.just(("a",)),
    min_user_characters=st.none() | st.integers(0, 30),
    max_examples=st.none() | st.integers(1, 10),
    max_per_category=st.none() | st.integers(1, 5),
    max_per_subject=st.none() | st.integers(1, 3),
)


def a_count(
    preference: bool = False, tokens: int = 10, characters: int = 50, answer: int = 1, subject: int = 0, **changes: Any
) -> ExampleRow:
    """An approved example of category a, from the app, but for what is said of it."""
    candidate = Candidate(Status.UNREVIEWED, None, "a", "app", 0.9)._replace(**changes)
    return ExampleRow(candidate, preference, tokens, characters, answer, subject)


def counted(*examples: ExampleRow, policy: Policy | None = None) -> Statistics:
    return compute_statistics(examples, policy or Policy(), revision=1, updated_at=None)


@given(st.lists(COUNTED, max_size=30), POLICIES)
def test_every_example_is_counted_once_in_each_way(examples: list[ExampleRow], policy: Policy) -> None:
    found = counted(*examples, policy=policy)

    assert sum(found.statuses.values()) == len(examples) == found.examples
    assert sum(part.examples for part in found.categories.values()) + found.uncategorised == len(examples)
    apart = found.corrections + found.confirmations + found.unsourced
    assert sum(found.sources.values()) + apart == len(examples)
    assert not {"correction", "confirmation"} & found.sources.keys()
    assert sum(bucket.examples for bucket in found.tokens.buckets) == len(examples)
    assert found.tokens.total == sum(each.tokens for each in examples)
    assert sum(part.usable for part in found.categories.values()) <= found.usable <= found.examples
    assert found.usable + sum(found.left_out.values()) == len(examples)
    assert found.trainable <= found.usable
    assert found.trainable + found.marked.get(Split.TEST, 0) + found.marked.get(Split.VALIDATION, 0) == found.usable


@given(st.lists(st.integers(1, 50), min_size=1), st.sampled_from([50, 95]))
def test_a_percentile_is_a_value_that_so_many_don_t_exceed(values: list[int], percent: int) -> None:
    found = percentile(Counter(values), percent)

    assert found in values
    assert sum(value <= found for value in values) * 100 >= percent * len(values)
    assert sum(value < found for value in values) * 100 < percent * len(values)


def test_a_bucket_ends_where_it_says() -> None:
    buckets = token_statistics(Counter([64, 65, 131_072, 131_073, 10**6])).buckets

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
        ({"characters": 19}, {"min_user_characters": 20}, 0),
        ({"characters": 19}, {}, 1),
        ({"created_at": "2026-11-02T00:00:00.000000+00:00"}, {"created_from": "2026-11-03"}, 0),
        ({"created_at": "2026-11-02T00:00:00.000000+00:00"}, {"created_to": "2026-11-03"}, 1),
        ({"source": "correction"}, {}, 0),
        ({"source": "correction", "status": Status.APPROVED}, {}, 1),
        ({"preference": True}, {"kind": "supervised"}, 0),
        ({"preference": True}, {}, 1),
        ({"split": "test", "quality": 0.1, "characters": 1}, {"validated_only": True}, 1),
        ({"split": "test"}, {"categories": ("b",)}, 0),
    ],
)
def test_usable_is_what_an_export_may_take(changes: dict[str, Any], policy: dict[str, object], usable: int) -> None:
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
    found = Statistics(revision=1, examples=usable + unused, usable=usable, trainable=usable)

    verdict = eligibility(found, DEFAULT, required, 0)

    needed = max(required, LEAST_TRAINED)
    lacking = f"Need at least {required if usable < required else LEAST_TRAINED:,} examples. Current: {usable:,}."
    assert verdict.eligible == (usable >= needed)
    assert verdict.recommendation.startswith("Train now" if verdict.eligible else lacking)
    assert ("are left out" in verdict.recommendation) == (verdict.eligible and bool(unused))
    assert ("counted before duplicates and conflicts" in verdict.recommendation) == verdict.eligible
    assert ("highest level" in verdict.recommendation) == (verdict.eligible and usable >= LEVELS[-1][0])
    assert verdict.level in Level


def test_categories_that_are_short_are_named_the_shortest_first() -> None:
    parts = {
        name: GroupStatistics(examples=9, usable=count)
        for name, count in {"a": 4, "b": 1, "c": 9, "d": 2, "e": 3}.items()
    }
    found = Statistics(revision=1, examples=45, usable=19, trainable=19, categories=parts)

    verdict = eligibility(found, DEFAULT, 10, 5)

    assert (verdict.eligible, verdict.short) == (False, {"a": 4, "b": 1, "d": 2, "e": 3})
    assert verdict.recommendation.endswith("fewer than 5: b (1), d (2), e (3) and 1 more.")


@pytest.mark.parametrize(
    ("policy", "usable", "left_out"),
    [
        (Policy(max_examples=4), 4, {"over_cap": 8}),
        (Policy(max_per_category=2), 4, {"over_cap": 8}),
        (Policy(max_per_subject=1), 3, {"over_cap": 9}),
        (Policy(max_examples=50), 12, {}),
    ],
    ids=str,
)
def test_caps_count_before_a_freeze_as_they_do_in_one(policy: Policy, usable: int, left_out: dict[str, int]) -> None:
    examples = [a_count(category="ab"[n % 2], subject=n % 3 + 1, answer=n + 1) for n in range(12)]

    found = counted(*examples, policy=policy)

    assert (found.usable, found.left_out) == (usable, left_out)
    assert sum(part.usable for part in found.categories.values()) == usable


def test_short_chats_are_usable_and_that_is_said() -> None:
    chats = [a_count(characters=11, answer=n + 1) for n in range(12)]

    by_first_rules = compute_statistics(chats, DEFAULT, revision=1, updated_at=None, rules=FIRST_RULES)
    found = counted(*chats)

    assert (found.usable, found.min_user_characters) == (12, 0)
    assert any("below 20 characters" in note for note in found.notes)
    assert (by_first_rules.usable, by_first_rules.left_out) == (0, {"too_short": 12})


def test_what_users_keep_for_tests_is_usable_and_not_to_be_trained_on() -> None:
    found = counted(*[a_count(split="test")] * 12, *[a_count()] * 9)

    verdict = eligibility(found, DEFAULT, 10, 0)

    assert (found.usable, found.trainable, found.marked) == (21, 9, {Split.TEST: 12})
    assert not verdict.eligible
    assert verdict.recommendation == (
        "Need at least 10 examples. Current: 9 to train on, 12 for validation and test. "
        "12 are held out by the split mark test; mark fewer, or add others. Add 1 more."
    )
