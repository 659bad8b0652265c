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


@pytest.mark.parametrize("name", ["max_examples", "max_per_category", "max_per_subject", "min_user_characters"])
def test_a_number_of_a_policy_is_bounded(name: str) -> None:
    assert Policy.model_validate({name: 10**9})
    with pytest.raises(ValidationError, match="less than or equal to 1000000000"):
        Policy.model_validate({name: 10**9 + 1})


@pytest.mark.parametrize("ends", ["2026-11-20T23:00:00Z", "2026-11-21", "2026-11-21T01:00:00+01:00"])
def test_a_policy_takes_some_time(ends: str) -> None:
    assert Policy.model_validate({"created_from": "2026-11-21", "created_to": "2026-11-21T00:00:01"})
    with pytest.raises(ValidationError, match="must lie before"):
        Policy.model_validate({"created_from": "2026-11-21", "created_to": ends})


@pytest.mark.parametrize("moment", [1, 1.5, "1", "1763683200", "yesterday"])
def test_a_time_of_a_policy_is_written_out(moment: object) -> None:
    with pytest.raises(ValidationError, match="ISO 8601"):
        Policy.model_validate({"created_from": moment})
