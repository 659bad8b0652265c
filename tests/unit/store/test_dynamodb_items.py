"""Rows: what goes into the table comes out of it the same."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel

from tests.unit.factories import (
    JSON,
    NOW,
    SECOND,
    a_dataset,
    a_deployment,
    a_drop,
    a_run,
    a_segment,
    a_version,
    an_evaluation,
    an_export,
    scores,
)
from tuneloop.domain.core.access import ApiKey, Scope
from tuneloop.domain.core.leases import Lease
from tuneloop.domain.core.pricing import Usd
from tuneloop.domain.evaluation.evaluations import ArmName, arm_result, compare
from tuneloop.domain.serving.usage import Counters
from tuneloop.domain.training.jobs import RunError
from tuneloop.store.dynamodb import attributes_of, from_item, to_item

ENTITIES: list[BaseModel] = [
    ApiKey(id="key-1", tenant="acme", hash="0", scopes=frozenset(Scope), created_at=NOW, revoked_at=NOW),
    a_dataset(max_run_usd=Decimal("12.34"), changed_at=NOW),
    a_segment(),
    a_drop(),
    an_export(prompt="Zwei Wörter: \u20ac \U0001f680", base_prompt=""),
    a_version(parameters={"temperature": 0.7, "top_p": 1.0, "stop": None, "logit_bias": {"50256": -100}, "n": []}),
    a_deployment(share=0.1, candidate=2),
    a_run(
        lease=Lease(owner="w1", until=NOW + 0.5 * SECOND),
        hyperparameters={"n_epochs": 3, "learning_rate_multiplier": 0.05},
        progress=1 / 3,
        train_loss=1e-7,
        training_cost_usd=Decimal("0.000001"),
        error=RunError(code="c", message="m"),
    ),
    an_evaluation(
        arms={ArmName.STABLE: arm_result(1, scores(right=1, wrong=2), Decimal("0.1234567"))},
        comparison=compare(scores(right=9, wrong=1), scores(right=1, wrong=9), 1),
        parts={ArmName.STABLE: 250},
    ),
    Counters(calls=3, cost_usd=Decimal("123456.0000001")),
]


def stored(entity: BaseModel) -> Any:
    """The entity after its way into DynamoDB's attributes and back."""
    return type(entity).model_validate(from_item(to_item(attributes_of(entity))))


@pytest.mark.parametrize("entity", ENTITIES, ids=lambda entity: type(entity).__name__)
def test_an_entity_comes_back_as_it_went_in(entity: BaseModel) -> None:
    assert stored(entity) == entity


def test_times_come_back_with_the_same_text() -> None:
    assert stored(a_run()).created_at.isoformat() == NOW.isoformat()


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=3))
def test_parameters_of_any_shape_come_back_with_the_same_meaning(parameters: dict[str, Any]) -> None:
    sized = within_bounds(parameters)

    assert within_bounds(stored(a_version(parameters=sized)).parameters) == sized


def within_bounds(value: Any) -> Any:
    """The value with its numbers as floats between 1e-90 and 1e90, which DynamoDB's hold."""
    if isinstance(value, dict):
        return {name: within_bounds(part) for name, part in value.items()}
    if isinstance(value, list):
        return [within_bounds(part) for part in value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return float(value) if 1e-90 < abs(value) < 1e90 else 0.0


class Bill(BaseModel):
    usd: Usd
    share: float = 0.0
    parts: dict[str, Any] = {}


@given(st.decimals(0, 10**6, places=9))
def test_money_comes_back_to_the_last_digit(usd: Decimal) -> None:
    assert stored(Bill(usd=usd)).usd == usd


@given(st.floats(0, 1))
def test_a_share_comes_back_as_the_same_float(share: float) -> None:
    found = stored(Bill(usd=Decimal(0), share=share)).share

    assert found == (share if share >= 1e-100 else 0)
    assert isinstance(found, float)


@given(st.floats(allow_nan=False, allow_infinity=False))
@example(1e200)
@example(-1.7976931348623157e308)
@example(1e100)
@example(9.99e125)
def test_every_float_can_be_stored(share: float) -> None:
    found = stored(Bill(usd=Decimal(0), share=share)).share

    assert found == (share if abs(share) >= 1e-100 else 0)
    assert isinstance(found, float)


@pytest.mark.parametrize("rows", [300, 600, 900, 1200])
def test_a_p_value_of_next_to_nothing_can_be_stored(rows: int) -> None:
    comparison = compare(scores(right=rows, wrong=0), scores(right=0, wrong=rows), 1)
    assert comparison is not None

    found = stored(comparison)

    assert found.p_value == pytest.approx(comparison.p_value, abs=1e-99)


def test_what_is_absent_takes_no_attribute() -> None:
    assert "lease" not in attributes_of(a_run())
    assert "finished_at" not in attributes_of(a_run())


def test_a_counter_that_was_added_to_stays_exact() -> None:
    item = {"cost_usd": {"N": "0.10000000000000000000000001"}, "calls": {"N": "3"}}

    assert from_item(item) == {"cost_usd": Decimal("0.10000000000000000000000001"), "calls": 3}
    assert isinstance(from_item(item)["calls"], int)
