"""Policies: what differs has another name, what is the same has one."""

import pytest
from pydantic import ValidationError

from tests.unit.factories import NOW
from tuneloop.domain.policy import DEFAULT, Kind, Policy

OTHERS = [
    Policy(kind=Kind.PREFERENCE),
    Policy(categories=("late",)),
    Policy(categories=("late", "lost")),
    Policy(min_quality=0.5),
    Policy(validated_only=True),
    Policy(created_from=NOW),
    Policy(created_to=NOW),
    Policy(max_examples=5),
    Policy(max_per_category=5),
    Policy(max_per_subject=5),
    Policy(min_user_characters=0),
    Policy(near_duplicates=True),
    Policy(conflicting=True),
    Policy(take_test=False),
]


def test_whatever_would_freeze_something_else_has_a_name_of_its_own() -> None:
    assert len({policy.name for policy in [DEFAULT, *OTHERS]}) == len(OTHERS) + 1


def test_saying_a_default_aloud_is_the_same_policy() -> None:
    assert Policy(min_quality=0.8, validated_only=False).name == DEFAULT.name


def test_only_quality_that_is_given_has_to_reach_eight_tenths_by_default() -> None:
    assert DEFAULT.min_quality == 0.8


@pytest.mark.parametrize(
    "wrong", [{"min_quality": 1.1}, {"max_examples": 0}, {"categories": []}, {"kind": "other"}, {"max_exmples": 3}]
)
def test_a_policy_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Policy.model_validate(wrong)
