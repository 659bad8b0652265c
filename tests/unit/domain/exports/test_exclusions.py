"""Exclusions: each reason in a sentence that says how many, which setting, and what to do."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.factories import NOW
from tuneloop.domain.chat.examples import Split
from tuneloop.domain.datasets.policy import DEFAULT, FIRST_RULES, ExampleKind, Policy
from tuneloop.domain.exports.columns import Outcome
from tuneloop.domain.exports.exclusions import exclusions_of, shortage

REASONS = [outcome.name.lower() for outcome in Outcome if outcome > Outcome.TEST]
OF_NO_POLICY = {"trust", "split"}  # settings of a dataset and of an example


@pytest.mark.parametrize("reason", REASONS)
@pytest.mark.parametrize("count", [1, 12, 1200])
def test_every_reason_is_a_sentence_with_its_number(reason: str, count: int) -> None:
    policy = Policy(max_examples=3, categories=("a",), created_from=NOW, validated_only=True)

    [found] = exclusions_of({reason: count}, policy)

    assert (found.reason, found.count) == (reason, count)
    assert found.message.startswith(f"{count:,} ")
    assert found.message.endswith(".")
    assert not re.search(r"[{}]|None", found.message)
    assert (" are " in found.message or " were " in found.message) <= (count > 1)


@pytest.mark.parametrize("reason", REASONS)
def test_a_setting_that_is_named_exists_and_stands_in_the_sentence(reason: str) -> None:
    [found] = exclusions_of({reason: 2}, Policy(max_per_subject=3, max_examples=5))

    for setting in (found.setting or "").split(", "):
        assert not setting or setting in {*Policy.model_fields, *OF_NO_POLICY}
        assert setting in found.message


@given(st.dictionaries(st.sampled_from(REASONS), st.integers(0, 50)))
def test_all_that_is_left_out_is_told_the_most_first(left_out: dict[str, int]) -> None:
    found = exclusions_of(left_out, DEFAULT)

    assert {each.reason: each.count for each in found} == {why: count for why, count in left_out.items() if count}
    assert [each.count for each in found] == sorted((each.count for each in found), reverse=True)


@pytest.mark.parametrize(
    ("reason", "policy", "characters", "message"),
    [
        ("too_short", DEFAULT, 20, "12 are shorter than min_user_characters 20; set it to 0 for short chats."),
        ("too_short", DEFAULT, None, "12 are shorter than min_user_characters 20; set it to 0 for short chats."),
        (
            "too_short",
            Policy(min_user_characters=99),
            None,
            "12 are shorter than min_user_characters 99; set it to 0 for short chats.",
        ),
        ("low_quality", Policy(min_quality=0.25), None, "12 are below min_quality 0.25; lower it to use them."),
        (
            "over_cap",
            Policy(max_examples=1000, max_per_category=5),
            None,
            "12 are beyond max_examples 1,000 or max_per_category 5; raise it to use them.",
        ),
        (
            "not_approved",
            Policy(validated_only=True),
            None,
            "12 are not approved, and validated_only is true; approve them, or set it to false.",
        ),
        (
            "not_approved",
            DEFAULT,
            None,
            "12 were made from feedback and not approved yet; approve them, or change the dataset's trust.",
        ),
    ],
)
def test_a_sentence_names_the_value_that_left_examples_out(
    reason: str, policy: Policy, characters: int | None, message: str
) -> None:
    [found] = exclusions_of({reason: 12}, policy, characters=characters)

    assert found.message == message


def test_pairs_and_conversations_are_told_apart() -> None:
    [pairs] = exclusions_of({"other_kind": 3}, DEFAULT, kind=ExampleKind.SUPERVISED)
    [chats] = exclusions_of({"other_kind": 3}, DEFAULT, kind=ExampleKind.PREFERENCE)

    assert "set kind to preference" in pairs.message
    assert "set kind to supervised" in chats.message


def test_a_shortage_says_what_is_there_what_is_held_out_and_why() -> None:
    why = exclusions_of({"low_quality": 1}, DEFAULT)

    assert shortage(10, 5) == "Need at least 10 examples. Current: 5."
    assert shortage(10, 5, why=why) == (
        "Need at least 10 examples. Current: 5. 1 is below min_quality 0.8; lower it to use it."
    )
    told = "Need at least 10 examples. Current: 5 to train on, 7 for validation and test."
    marks = f"{told} 1 is held out by the split mark test; mark fewer, or add others."
    marked = {Split.TEST: 1, Split.VALIDATION: 0}
    assert shortage(10, 5, held=7) == told
    assert shortage(10, 5, held=7, marked=marked) == f"{marks} 6 were tested with before and can't train; add others."
    assert shortage(10, 5, held=1, marked=marked | {Split.TRAIN: 5}) == (
        "Need at least 10 examples. Current: 5 to train on, 1 for validation and test. "
        "1 is held out by the split mark test; mark fewer, or add others."
    )
    assert shortage(10, 5, held=7, marked=marked, rules=FIRST_RULES) == (
        f"{marks} 6 are held out by a draw or a split mark; change the dataset to divide it by newer rules."
    )
