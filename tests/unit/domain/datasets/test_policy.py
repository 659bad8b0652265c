"""Policies: what differs has another name, what is the same has one."""

import pytest
from pydantic import BaseModel, ValidationError

from activate_model.views import DeploymentChange
from review_examples.views import Change
from tests.unit.factories import NOW
from tuneloop.domain.datasets.policy import DEFAULT, ExampleKind, Policy

OTHERS = [
    Policy(kind=ExampleKind.PREFERENCE),
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
    Policy(validation=0.0),
    Policy(validation=0.2),
    Policy(test=0.0),
    Policy(test=0.2),
]


def test_whatever_would_freeze_something_else_has_a_name_of_its_own() -> None:
    assert len({policy.name for policy in [DEFAULT, *OTHERS]}) == len(OTHERS) + 1


def test_saying_a_default_aloud_is_the_same_policy() -> None:
    assert Policy(min_quality=0.8, validated_only=False).name == DEFAULT.name


@pytest.mark.parametrize("field", ["min_quality", "validation", "test"])
def test_minus_zero_is_zero_and_no_policy_of_its_own(field: str) -> None:
    minus, zero = (Policy.model_validate({field: value}) for value in (-0.0, 0.0))

    assert (str(getattr(minus, field)), minus.name) == ("0.0", zero.name)


@pytest.mark.parametrize("shape", [DeploymentChange, Change])
def test_minus_zero_is_stored_as_zero_wherever_a_share_is_given(shape: type[BaseModel]) -> None:
    [field] = {"share", "quality"} & shape.model_fields.keys()

    assert str(getattr(shape.model_validate({field: -0.0}), field)) == "0.0"


# Exports that exist are found by these names: one that changes makes an upgrade freeze and train everything anew.
@pytest.mark.parametrize(
    ("policy", "name"),
    [
        (Policy(), "d62f4d76ab78de91"),
        (Policy(min_quality=0.5, categories=("late",), take_test=False), "c1dc823caa0fee73"),
        (Policy(validation=0.1, test=None), "d62f4d76ab78de91"),
    ],
    ids=["default", "other", "shares said aloud"],
)
def test_a_policy_of_older_versions_keeps_its_name(policy: Policy, name: str) -> None:
    assert policy.name == name


@pytest.mark.parametrize(
    "shares",
    [
        {"validation": -0.1},
        {"validation": 0.41},
        {"test": 0.5},
        {"test": -1},
        {"validation": None},
        {"validation": "0.1"},
        {"test": True},
        {"test": "planned"},
        {"test": float("nan")},
        {"take_test": False, "test": 0.1},
    ],
    ids=str,
)
def test_shares_lie_between_nothing_and_four_tenths(shares: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Policy.model_validate(shares)


@pytest.mark.parametrize(
    "shares", [{"validation": 0, "test": 0}, {"validation": 0.4, "test": 0.4}, {"test": None}], ids=str
)
def test_shares_at_their_ends_are_taken(shares: dict[str, object]) -> None:
    assert Policy.model_validate(shares)


def test_no_test_may_be_said_in_two_ways_that_agree() -> None:
    assert not Policy(take_test=False, test=0.0).draws_test
    assert not Policy(test=0.0).draws_test
    assert Policy(test=0.01).draws_test


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
