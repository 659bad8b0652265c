"""Run costs: what a provider bills for training and its evaluation, and how long training takes.

Estimates, reservations and bills are all worked out here, so that they can't differ.
"""

import math
from collections.abc import Mapping
from datetime import datetime
from decimal import ROUND_UP, Decimal
from typing import Any, NamedTuple

from pydantic import BaseModel

from tuneloop.domain.chat.examples import Split
from tuneloop.domain.chat.images import NO_IMAGES, ImageUnits, TokenRange
from tuneloop.domain.core.limits import EVALUATION_ROWS
from tuneloop.domain.core.pricing import MILLION, CallTokens, call_cost, training_cost
from tuneloop.domain.evaluation.evaluations import FEWEST_ROWS
from tuneloop.domain.exports.exports import Export
from tuneloop.domain.training.budgets import UNBUDGETED, month_of, usd
from tuneloop.domain.training.model_offers import Offer, epochs_of
from tuneloop.domain.training.runs import ControlledRun

NO_TOKENS = TokenRange(0, 0)
NO_COST = Decimal(0)
# Reservations are rounded up to a millionth of a dollar, so that what is given back equals them to the last digit.
MICRO = Decimal("0.000001")
UNKNOWN_PRICE = "A confirmation: this base model's training price is not known."
UNKNOWN_IMAGES = (
    "A confirmation: the data holds {:,} images, and how this provider counts the tokens of an image is not known here."
)


class Billable(NamedTuple):
    """What a provider bills: tokens of texts and of images, epochs counted in; None where images can't be counted."""

    n_epochs: int
    text: int
    images: TokenRange | None

    @property
    def tokens(self) -> int:
        """All billed tokens: images at the most that they may count, or not at all where that isn't known."""
        return self.text + (self.images or NO_TOKENS).high

    def cost(self, offer: Offer | None) -> Decimal | None:
        """USD for all of it at most, None where a price or a count is unknown; what is free is free."""
        if self.images is None and training_cost(offer, 1) != 0:
            return None
        return training_cost(offer, self.tokens)


class MinuteRange(BaseModel):
    """The least and the most minutes that something takes."""

    low: int
    high: int


class RunCosts(NamedTuple):
    """What a run is estimated to cost in US dollars and to take in minutes, at most; None is unknown.

    `uncounted_images` are the images whose tokens nobody can count, so that the price of training is unknown.
    """

    training_usd: Decimal | None
    evaluation_usd: Decimal | None
    minutes: int | None
    uncounted_images: int = 0

    @property
    def total_usd(self) -> Decimal | None:
        """Training and evaluation together; None where the training's price is unknown."""
        return total_cost(self.training_usd, self.evaluation_usd)

    @property
    def fields(self) -> dict[str, Any]:
        """The estimated costs as fields of the run's row."""
        return {
            "estimated_cost_usd": self.training_usd,
            "estimated_evaluation_usd": self.evaluation_usd,
            "estimated_minutes": self.minutes,
        }

    def confirmation_above(self, limit_usd: Decimal) -> str | None:
        """Why the run has to be confirmed whatever is left of the month's budget; None where it needn't be."""
        if (total := self.total_usd) is None:
            return UNKNOWN_IMAGES.format(self.uncounted_images) if self.uncounted_images else UNKNOWN_PRICE
        if total <= limit_usd:
            return None
        amount = f"{usd(total)}{' with its evaluation' if self.evaluation_usd else ''}"
        return f"A confirmation: the estimate of {amount} is above the limit of {usd(limit_usd)} for one run."

    def reserve(self, run: ControlledRun, now: datetime) -> ControlledRun:
        """The run with its estimates and its reservation in the month's budget.

        A run that holds a reservation already keeps that and its month.
        """
        estimated = run.model_copy(update=self.fields)
        if run.reserved_month:
            return estimated
        if (total := self.total_usd) is None:
            return estimated.with_note(UNBUDGETED)
        if not total:
            return estimated
        return estimated.model_copy(update={"reserved_usd": total, "reserved_month": month_of(now)})


def run_costs(run: ControlledRun, export: Export, offer: Offer | None, *, is_first: bool) -> RunCosts:
    """What training on an export and the evaluation afterwards cost; `is_first` as for `evaluation_cost`."""
    train = export.files[Split.TRAIN]
    billable = billable_of(offer, train.examples, train.tokens, train.images, run.hyperparameters)
    minutes, is_priced = minutes_of(offer, billable), training_cost(offer, 1) is not None
    return RunCosts(
        training_usd=billable.cost(offer),
        evaluation_usd=evaluation_cost(export, offer, is_first=is_first),
        minutes=minutes.high if minutes else None,
        uncounted_images=(train.images or NO_IMAGES).images if billable.images is None and is_priced else 0,
    )


def billable_of(
    offer: Offer | None,
    examples: int,
    tokens: int,
    images: ImageUnits | None = NO_IMAGES,
    hyperparameters: Mapping[str, Any] | None = None,
) -> Billable:
    """What training on so many examples with their tokens and images is billed for; uncounted images count as none."""
    epochs = epochs_of(offer, epochs_in(hyperparameters or {}), examples)
    per_epoch = image_tokens(offer, images or NO_IMAGES)
    return Billable(epochs, tokens * epochs, per_epoch and TokenRange(per_epoch.low * epochs, per_epoch.high * epochs))


def epochs_in(hyperparameters: Mapping[str, Any]) -> int | None:
    """The number of epochs that hyperparameters set, None where it is left to the provider."""
    chosen = hyperparameters.get("n_epochs")
    return chosen if isinstance(chosen, int) and not isinstance(chosen, bool) and chosen > 0 else None


def image_tokens(offer: Offer | None, images: ImageUnits) -> TokenRange | None:
    """The tokens that images count in one epoch of training; None where their provider publishes no rule."""
    if not images or (offer and not offer.trains_images):
        return NO_TOKENS
    return offer.images.tokens(images) if offer and offer.images else None


def call_image_tokens(offer: Offer | None, images: ImageUnits) -> int | None:
    """The tokens that images count at most in calls; None where their provider publishes no rule."""
    if not images:
        return 0
    return offer.images.tokens(images).high if offer and offer.images else None


def evaluation_cost(export: Export, offer: Offer | None, *, is_first: bool) -> Decimal | None:
    """USD for asking the new version, its base and the version that serves all test rows; None where unknown.

    `is_first` says that only the base serves so far, so that two models are asked and not three. Images count at their
    most tokens.
    """
    test = export.files[Split.TEST]
    rows = min(test.examples, EVALUATION_ROWS)
    if rows < FEWEST_ROWS:
        return NO_COST
    shown, answer = call_image_tokens(offer, test.images or NO_IMAGES), round(export.answer_tokens)
    text = max(0, round(test.tokens / test.examples) - answer)
    prompt = None if shown is None else text + math.ceil(shown / test.examples)
    tuned, base = (
        call_cost(offer, CallTokens(prompt, answer), is_finetuned=is_tuned).usd for is_tuned in (True, False)
    )
    if tuned is None or base is None:
        return None
    return rows * (tuned * (1 if is_first else 2) + base)


def total_cost(training: Decimal | None, evaluation: Decimal | None) -> Decimal | None:
    """USD for a run and its evaluation together, rounded up; None where the training's price is unknown."""
    return None if training is None else (training + (evaluation or NO_COST)).quantize(MICRO, ROUND_UP)


def minutes_of(offer: Offer | None, billable: Billable) -> MinuteRange | None:
    """The minutes that training takes by the catalog's figures; None where the catalog has none."""
    if offer is None or (speed := offer.training_minutes) is None:
        return None
    millions = billable.tokens / MILLION
    low = speed.least + speed.least_per_1m * millions
    high = speed.most + speed.most_per_1m * millions
    return MinuteRange(low=math.floor(low), high=math.ceil(high))
