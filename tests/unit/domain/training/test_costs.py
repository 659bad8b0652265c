"""Training costs: texts and images times the epochs, and nothing invented where a count or a price is unknown."""

from decimal import Decimal
from typing import Any

import pytest

from tests.unit.offers import BASIS, an_offer
from tuneloop.domain.chat.images import ImageRule, ImageUnits, TokenRange
from tuneloop.domain.training.costs import Billable, billable_of, epochs_in
from tuneloop.domain.training.estimates import LEFT_OUT_IMAGES, UNCOUNTED_IMAGES, UNKNOWN_IMAGES, estimate

IMAGES = ImageUnits(images=10, tiles_least=10, tiles_most=40, patches_least=10, patches_most=400)
RULE = ImageRule(per_image=85, per_tile=170, source="a guide")


def test_images_are_billed_in_each_epoch() -> None:
    billable = billable_of(an_offer(images=RULE), 1000, 200_000, IMAGES, {"n_epochs": 2})

    assert billable == Billable(2, 400_000, TokenRange(2 * 2550, 2 * 7650))
    assert billable.tokens == 415_300
    assert billable.cost(an_offer(images=RULE)) == Decimal(25) * 415_300 / 1_000_000


@pytest.mark.parametrize(
    ("changes", "is_known"),
    [({}, False), ({"images": RULE}, True), ({"trains_images": False}, True), ({"training_per_1m": 0}, True)],
)
def test_images_without_a_rule_leave_the_price_unknown_unless_it_is_free(
    changes: dict[str, Any], is_known: bool
) -> None:
    offer = an_offer(**changes)

    assert (billable_of(offer, 1000, 200_000, IMAGES).cost(offer) is not None) == is_known
    assert billable_of(offer, 1000, 200_000).cost(offer) is not None
    assert (estimate("base-1", offer, BASIS._replace(images=IMAGES)).estimated_cost_usd is not None) == is_known


@pytest.mark.parametrize(
    ("chosen", "epochs"),
    [
        ({"n_epochs": 3}, 3),
        ({"n_epochs": "auto"}, None),
        ({"n_epochs": True}, None),
        ({"n_epochs": 0}, None),
        ({}, None),
    ],
)
def test_epochs_are_those_that_were_chosen(chosen: dict[str, Any], epochs: int | None) -> None:
    assert epochs_in(chosen) == epochs


def test_an_estimate_says_what_its_images_count_and_by_whose_rule() -> None:
    found = estimate("base-1", an_offer(images=RULE), BASIS._replace(images=IMAGES), calls=1000)
    without = estimate("base-1", an_offer(images=RULE), BASIS, calls=1000)

    assert found.image_tokens
    assert (found.image_tokens.images, found.image_tokens.low, found.image_tokens.high) == (10, 2550, 7650)
    assert found.estimated_tokens == without.estimated_tokens + 3 * 7650
    assert found.estimated_cost_usd
    assert without.estimated_cost_usd
    assert found.estimated_cost_usd.low == without.estimated_cost_usd.low + Decimal(25) * 3 * 2550 / 1_000_000
    assert found.estimated_cost_usd.high == without.estimated_cost_usd.high + Decimal(25) * 3 * 7650 / 1_000_000
    assert "Tokens of images by a guide." in found.notes
    assert found.monthly_calls
    assert without.monthly_calls
    assert found.monthly_calls.prompt_tokens == without.monthly_calls.prompt_tokens + 8


@pytest.mark.parametrize(
    ("changes", "images", "note"),
    [
        ({}, IMAGES, UNKNOWN_IMAGES),
        ({"trains_images": False}, IMAGES, LEFT_OUT_IMAGES),
        ({}, None, UNCOUNTED_IMAGES),
    ],
)
def test_what_is_not_known_of_images_is_said(changes: dict[str, Any], images: ImageUnits | None, note: str) -> None:
    assert note in estimate("base-1", an_offer(**changes), BASIS._replace(images=images)).notes
    assert note not in estimate("base-1", an_offer(**changes), BASIS).notes
    assert estimate("base-1", an_offer(**changes), BASIS._replace(images=IMAGES), calls=5).monthly_calls is None
