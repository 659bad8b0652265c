"""Estimates: exact where something was counted, a range where not, and null with a reason where nobody knows."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.offers import BASIS, an_offer
from tuneloop.domain.chat.examples import Split
from tuneloop.domain.chat.images import NO_IMAGES, ImageUnits
from tuneloop.domain.datasets.policy import DEFAULT, Policy
from tuneloop.domain.evaluation.evaluations import FEWEST_ROWS
from tuneloop.domain.evaluation.statistics import alpha_per_look, rows_needed
from tuneloop.domain.exports.splits import ASSUMED_DISCORDANCE
from tuneloop.domain.training.estimates import MAY_ALL_TRAIN, NO_PROOF, UNKNOWN_CALLS, UNKNOWN_PRICE, Basis, estimate
from tuneloop.domain.training.model_offers import Minutes, Offer


def test_training_costs_tokens_times_epochs_within_the_counting_error() -> None:
    found = estimate("base-1", an_offer(), BASIS)

    assert (found.examples, found.epochs, found.estimated_tokens) == (1000, 3, 600_000)
    assert found.estimated_cost_usd
    assert found.estimated_cost_usd.low == Decimal("14.25")
    assert found.estimated_cost_usd.high == Decimal("15.75")
    assert (found.price_date, found.price_source) == ("2026-11-01", "a price list")
    assert found.minutes
    assert (found.minutes.low, found.minutes.high) == (6, 78)
    assert found.notes == []


@pytest.mark.parametrize(("examples", "epochs"), [(10, 10), (3, 25), (50, 3), (20_000, 1)])
def test_the_provider_chooses_more_epochs_for_less(examples: int, epochs: int) -> None:
    basis = BASIS._replace(examples=examples, tokens=100 * examples)

    assert estimate("base-1", an_offer(), basis).n_epochs == epochs
    chosen = estimate("base-1", an_offer(), basis, hyperparameters={"n_epochs": 7, "seed": 3})
    assert (chosen.n_epochs, chosen.epochs, chosen.estimated_tokens) == (7, 7, 700 * examples)


@pytest.mark.parametrize("offer", [None, an_offer(training_per_1m=None)])
def test_an_unknown_price_is_null_with_a_reason(offer: Offer | None) -> None:
    found = estimate("base-1", offer, BASIS)

    assert found.estimated_cost_usd is None
    assert found.cost_per_1m_tokens is None
    assert UNKNOWN_PRICE in found.notes


def test_what_is_free_costs_nothing_and_that_is_known() -> None:
    free = estimate("base-1", an_offer(training_per_1m=0), BASIS)

    assert free.estimated_cost_usd
    assert free.estimated_cost_usd.low == free.estimated_cost_usd.high == 0
    assert free.notes == []


def test_a_month_of_calls_is_set_against_the_base_model() -> None:
    monthly = estimate("base-1", an_offer(), BASIS, calls=1_000_000).monthly_calls

    assert monthly
    assert (monthly.prompt_tokens, monthly.completion_tokens) == (150, 50)
    assert [monthly.cost_usd, monthly.base_cost_usd, monthly.difference_usd] == [
        Decimal(each) for each in (1050, 700, 350)
    ]


def test_calls_whose_price_nobody_knows_are_null_with_a_reason() -> None:
    found = estimate("base-1", an_offer(base_output_per_1m=None), BASIS, calls=5)

    assert found.monthly_calls is None
    assert found.notes == [UNKNOWN_CALLS]
    assert estimate("base-1", an_offer(base_output_per_1m=None), BASIS).notes == []


@given(st.integers(FEWEST_ROWS, 5000))
def test_the_smallest_provable_improvement_is_what_so_many_rows_can_show(rows: int) -> None:
    smallest = estimate("base-1", an_offer(), BASIS._replace(test_rows=rows)).smallest_provable_improvement

    assert smallest is not None
    assert rows_needed(smallest, ASSUMED_DISCORDANCE, alpha=alpha_per_look(1)) <= rows
    assert rows_needed(smallest - 0.002, ASSUMED_DISCORDANCE, alpha=alpha_per_look(1)) > rows


def test_without_a_test_nothing_is_proved_and_that_is_said() -> None:
    found = estimate("base-1", an_offer(), BASIS._replace(test_rows=FEWEST_ROWS - 1))

    assert found.smallest_provable_improvement is None
    assert found.notes == [NO_PROOF]


def test_limits_and_the_end_of_a_model_are_said_before_anything_is_spent() -> None:
    offer = an_offer(shutdown_date=date(2027, 1, 14), tokens_per_example=100)

    few, *others = estimate("base-1", offer, BASIS._replace(examples=9, tokens=1800)).notes

    assert few == "Need at least 10 examples. Current: 9."
    assert "at most" not in few
    assert [note.split()[0] for note in others] == ["An", "Its"]
    assert "2027-01-14" in others[1]


@given(st.integers(0, 10**6), st.integers(1, 5000))
def test_a_count_alone_is_divided_as_an_export_would_be(examples: int, average: int) -> None:
    basis = Basis.of_count(examples, examples * average)

    assert 0 <= basis.test_rows <= 0.4 * examples + 1
    assert 0.5 * examples - 1 <= basis.examples <= examples
    assert basis.tokens == average * basis.examples
    assert basis.test_rows == 0 or basis.test_rows >= FEWEST_ROWS


def test_where_the_split_is_expected_the_high_end_has_all_train_that_may() -> None:
    marked = {Split.VALIDATION: 20}
    offer = an_offer(training_minutes=Minutes(least=0, most=0, least_per_1m=100, most_per_1m=1000, source="a guess"))
    shown = ImageUnits(images=6)
    basis = Basis.of_count(120, 12_000, error=0.05, marked=marked)._replace(images=shown)

    found = estimate("base-1", offer, basis, hyperparameters={"n_epochs": 1})

    assert (basis.most, basis.at_most().examples, basis.at_most().tokens) == (100, 100, 10_000)
    assert basis.at_most().images == shown.scale(100 / basis.examples)
    assert (found.examples, found.estimated_tokens) == (basis.examples, basis.tokens)
    assert basis.examples < 100
    assert found.estimated_cost_usd is None  # the images
    plain = estimate("base-1", offer, basis._replace(images=NO_IMAGES), hyperparameters={"n_epochs": 1})
    assert plain.estimated_cost_usd
    assert plain.estimated_cost_usd.low == Decimal(25) * basis.tokens / 1_000_000 * Decimal("0.95")
    assert plain.estimated_cost_usd.high == Decimal(25) * 10_000 / 1_000_000 * Decimal("1.05")
    assert plain.minutes
    assert plain.minutes.high == 10
    assert MAY_ALL_TRAIN.format(most=100) in plain.notes


def test_fewer_examples_with_more_epochs_may_be_the_high_end() -> None:
    basis = Basis.of_count(9000, 900_000, error=0.05)  # three epochs of those that are expected, two of all

    found = estimate("base-1", an_offer(), basis).estimated_cost_usd

    assert found
    assert (estimate("base-1", an_offer(), basis).n_epochs, found.high) == (
        3,
        Decimal("1.05") * 25 * 3 * basis.tokens / 1_000_000,
    )


@pytest.mark.parametrize(
    ("policy", "marked"),
    [(Policy(test=0, validation=0), {}), (DEFAULT, {Split.TRAIN: 60, Split.TEST: 40})],
    ids=["no test", "all marked"],
)
def test_where_all_train_anyway_nothing_is_said_of_a_high_end(policy: Policy, marked: dict[Split, int]) -> None:
    found = estimate("base-1", an_offer(), Basis.of_count(100, 10_000, policy=policy, marked=marked))

    assert not [note for note in found.notes if "high end" in note]


def test_a_guess_has_a_wider_range_than_a_count() -> None:
    guessed, counted = (
        estimate("base-1", an_offer(), basis).estimated_cost_usd
        for basis in (Basis.of_count(1000, 200_000), Basis.of_count(1000, 200_000, error=0.05))
    )

    assert guessed
    assert counted
    assert guessed.low < counted.low < counted.high < guessed.high
