"""Estimates: what training and a month of calls would cost, how long it takes, and what the result could prove.

An estimate is no bill: tokens are counted exactly where an export or a file was read, but tools and answers of other
formats are billed in ways that aren't published, so every sum has a low and a high end. An unknown figure is null, with
a note that says why.
"""

import math
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple, Self, TypeVar

from pydantic import BaseModel, computed_field

from tuneloop.domain.chat.examples import Split
from tuneloop.domain.chat.images import NO_IMAGES, ImageUnits
from tuneloop.domain.core.pricing import CallTokens, Usd, call_cost, training_cost
from tuneloop.domain.datasets.policy import DEFAULT, LEAST_TRAINED, Policy
from tuneloop.domain.evaluation.evaluations import FEWEST_ROWS
from tuneloop.domain.evaluation.statistics import alpha_per_look, smallest_detectable_difference
from tuneloop.domain.exports.exclusions import shortage
from tuneloop.domain.exports.splits import ASSUMED_DISCORDANCE, expected_splits
from tuneloop.domain.training.costs import Billable, MinuteRange, billable_of, call_image_tokens, epochs_in, minutes_of
from tuneloop.domain.training.model_offers import Offer

# The width of a sum's two ends, as a share of its tokens: assumed, as providers publish no figure. A counted text may
# be off by what they add for tools; an average that somebody named may be off by much more.
COUNTED_ERROR = 0.05
GUESSED_ERROR = 0.25
ANSWER_SHARE = 0.25  # assumed part of an example's tokens that is its answer, where the answer's were not counted
UNKNOWN_PRICE = "The price of training this base model is not known here: nothing is launched on it unconfirmed."
UNKNOWN_IMAGES = (
    "How many tokens this provider counts for an image is not known here, and the data holds some: nothing is launched "
    "on it unconfirmed."
)
LEFT_OUT_IMAGES = (
    "What is trained here is text alone: examples with images stay behind, but the figures here still count their text."
)
UNCOUNTED_IMAGES = (
    "This was stored before images were counted, and the estimate is without any: a run counts them before it spends."
)
UNKNOWN_CALLS = "The prices of calls to this model, or to its base, are not known here."
MAY_ALL_TRAIN = (
    "The split is what is expected before a freeze: what has to stay together counts as one, and a test may not be "
    "drawn. The high end has all {most:,} examples train."
)
NO_PROOF = "The split keeps too few examples for a test to prove any improvement: activate by hand, or add examples."


class Basis(NamedTuple):
    """What an estimate is worked out from: the examples that train, their tokens in one epoch, and the test's rows.

    `answer_tokens` are those of an average answer, `token_error` the share by which tokens may be off. `held` examples
    validate or test; `images` are those of the examples that train, None where they weren't counted. `most` is how many
    examples may train where no split was made yet; None says that one was made.
    """

    examples: int
    tokens: int
    test_rows: int
    answer_tokens: float
    token_error: float = COUNTED_ERROR
    held: int = 0
    images: ImageUnits | None = NO_IMAGES
    most: int | None = None

    @classmethod
    def of_count(
        cls,
        examples: int,
        tokens: int,
        answer_tokens: float | None = None,
        error: float = GUESSED_ERROR,
        *,
        policy: Policy = DEFAULT,
        marked: Mapping[Split, int] | None = None,
    ) -> Self:
        """The basis for a number of examples and their tokens alone, divided as an export is expected to divide them.

        `marked` counts the examples that users marked for a split; each of the others is taken for a prompt of its own.
        Where examples share prompts there may be too few units for a test, and all that aren't marked to be held out
        may train.
        """
        counts = expected_splits(examples, policy, marked or {})
        train, average = counts[Split.TRAIN], tokens / examples if examples else 0.0
        answer = ANSWER_SHARE * average if answer_tokens is None else answer_tokens
        held = sum((marked or {}).get(split, 0) for split in (Split.VALIDATION, Split.TEST))
        return cls(
            train, round(average * train), counts[Split.TEST], answer, error, examples - train, most=examples - held
        )

    @property
    def is_expected(self) -> bool:
        """Whether more examples may train than are expected to."""
        return self.most is not None and self.most > self.examples

    def at_most(self) -> Self:
        """The basis with every example training that may train."""
        if self.most is None or not self.examples:
            return self
        share = self.most / self.examples
        images = self.images and self.images.scale(share)
        return self._replace(examples=self.most, tokens=round(self.tokens * share), images=images)

    @property
    def average_tokens(self) -> float:
        """Tokens of one example."""
        return self.tokens / self.examples if self.examples else 0.0


class UsdRange(BaseModel):
    """The least and the most US dollars that something costs."""

    low: Usd
    high: Usd


class ImageTokens(BaseModel):
    """What so many images count in tokens, once and not times the epochs; null where no rule is published."""

    images: int
    low: int | None = None
    high: int | None = None


Span = TypeVar("Span", UsdRange | None, MinuteRange | None)


class MonthlyCalls(BaseModel):
    """What so many calls a month cost with the trained model and with its base, each as long as an example is."""

    calls: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd: Usd
    base_cost_usd: Usd
    difference_usd: Usd


class Estimate(BaseModel):
    """What training one base model would cost, take and prove; what is null is explained in `notes`.

    `examples` are those that train, `estimated_tokens` theirs times `n_epochs`, images at the most that they may count.
    Before a freeze both are what is expected, and the high ends of cost and minutes have all train that may.
    `smallest_provable_improvement` is the gain in accuracy (0.15: 15 points) that the test rows show with 80% power.
    """

    base_model: str
    examples: int
    estimated_tokens: int
    n_epochs: int
    image_tokens: ImageTokens | None = None
    cost_per_1m_tokens: Usd | None = None
    estimated_cost_usd: UsdRange | None = None
    minutes: MinuteRange | None = None
    minutes_source: str | None = None
    input_cost_per_1m: Usd | None = None
    output_cost_per_1m: Usd | None = None
    price_date: str | None = None
    price_source: str | None = None
    smallest_provable_improvement: float | None = None
    test_rows: int = 0
    monthly_calls: MonthlyCalls | None = None
    notes: list[str] = []

    @computed_field  # type: ignore[prop-decorator]
    @property
    def epochs(self) -> int:
        """The older name of `n_epochs`."""
        return self.n_epochs


def estimate(
    base_model: str,
    offer: Offer | None,
    basis: Basis,
    *,
    hyperparameters: Mapping[str, Any] | None = None,
    calls: int | None = None,
) -> Estimate:
    """The estimate of training a base model, and of `calls` a month to the trained model."""
    expected, most = (
        billable_of(offer, trained.examples, trained.tokens, trained.images, hyperparameters)
        for trained in (basis, basis.at_most())
    )
    monthly = _monthly(offer, basis, calls) if calls else None
    provable = _smallest_provable(basis.test_rows)
    return Estimate(
        base_model=base_model,
        examples=basis.examples,
        estimated_tokens=expected.tokens,
        n_epochs=expected.n_epochs,
        image_tokens=_image_tokens(basis, expected),
        cost_per_1m_tokens=offer and offer.training_per_1m,
        estimated_cost_usd=_widen(_cost(offer, expected, basis.token_error), _cost(offer, most, basis.token_error)),
        minutes=_widen(minutes_of(offer, expected), minutes_of(offer, most)),
        minutes_source=offer.training_minutes.source if offer and offer.training_minutes else None,
        input_cost_per_1m=offer and offer.input_per_1m,
        output_cost_per_1m=offer and offer.output_per_1m,
        price_date=offer and offer.price_date.isoformat(),
        price_source=offer and offer.price_source,
        smallest_provable_improvement=provable,
        test_rows=basis.test_rows,
        monthly_calls=monthly,
        notes=[
            *_price_notes(offer, basis, expected),
            *([UNKNOWN_CALLS] if calls and monthly is None else []),
            *([NO_PROOF] if provable is None else []),
            *_epoch_notes(offer, hyperparameters or {}),
            *_limit_notes(offer, basis),
            *([MAY_ALL_TRAIN.format(most=basis.most)] if basis.is_expected else []),
            *_end_notes(offer),
        ],
    )


def _widen(expected: Span, most: Span) -> Span:
    """The range from the expected low end to the higher of both high ends: fewer examples may train for more epochs."""
    if expected is None or most is None:
        return expected
    return expected.model_copy(update={"high": max(expected.high, most.high)})


def _cost(offer: Offer | None, billable: Billable, error: float) -> UsdRange | None:
    """The range of the cost: texts with their `error` taken off and added, images at their least and most tokens."""
    if billable.cost(offer) is None:
        return None
    text = training_cost(offer, billable.text) or Decimal(0)
    images = billable.images or (0, 0)
    low, high = (training_cost(offer, tokens) or Decimal(0) for tokens in images)
    share = Decimal(str(error))
    return UsdRange(low=text * (1 - share) + low, high=text * (1 + share) + high)


def _image_tokens(basis: Basis, billable: Billable) -> ImageTokens | None:
    if not basis.images:
        return None
    if billable.images is None:
        return ImageTokens(images=basis.images.images)
    low, high = (tokens // billable.n_epochs for tokens in billable.images)
    return ImageTokens(images=basis.images.images, low=low, high=high)


def _price_notes(offer: Offer | None, basis: Basis, billable: Billable) -> Iterator[str]:
    """Notes on what keeps the price from being known or exact."""
    if training_cost(offer, 1) is None:
        yield UNKNOWN_PRICE
    if billable.images is None:
        yield UNKNOWN_IMAGES
    elif basis.images and offer and not offer.trains_images:
        yield LEFT_OUT_IMAGES
    elif basis.images and offer and offer.images:
        yield f"Tokens of images by {offer.images.source}."
    if basis.images is None and training_cost(offer, 1) != 0:
        yield UNCOUNTED_IMAGES


def _epoch_notes(offer: Offer | None, hyperparameters: Mapping[str, Any]) -> list[str]:
    """A note where the chosen number of epochs is one that a run would be refused for."""
    allowed = offer.hyperparameters.get("n_epochs") if offer else None
    chosen = epochs_in(hyperparameters)
    if chosen is None or allowed is None or allowed.holds(chosen):
        return []
    return [f"A run with n_epochs {chosen} is refused here: it has to be {allowed}."]


def _smallest_provable(test_rows: int) -> float | None:
    if test_rows < FEWEST_ROWS:
        return None
    smallest = smallest_detectable_difference(test_rows, ASSUMED_DISCORDANCE, alpha=alpha_per_look(1))
    return math.ceil(1000 * smallest) / 1000


def _monthly(offer: Offer | None, basis: Basis, calls: int) -> MonthlyCalls | None:
    """The cost of a month of calls, each with as many images as an example has, at their most tokens."""
    completion = round(basis.answer_tokens)
    shown = call_image_tokens(offer, basis.images or NO_IMAGES)
    text = max(0, round(basis.average_tokens) - completion)
    prompt = None if shown is None else text + (math.ceil(shown / basis.examples) if basis.examples else 0)
    tokens = CallTokens(prompt, completion)
    tuned, base = (call_cost(offer, tokens, is_finetuned=tuned).usd for tuned in (True, False))
    if tuned is None or base is None:
        return None
    return MonthlyCalls(
        calls=calls,
        prompt_tokens=text if prompt is None else prompt,
        completion_tokens=completion,
        cost_usd=tuned * calls,
        base_cost_usd=base * calls,
        difference_usd=(tuned - base) * calls,
    )


def _limit_notes(offer: Offer | None, basis: Basis) -> list[str]:
    fewest = (offer and offer.fewest_examples) or LEAST_TRAINED
    notes = [shortage(fewest, basis.examples, held=basis.held)] if basis.examples < fewest else []
    if offer is None:
        return notes
    if offer.tokens_per_example and basis.average_tokens > offer.tokens_per_example:
        notes.append(f"An example may have {offer.tokens_per_example:,} tokens; what is longer is cut.")
    if offer.storage_per_month:
        notes.append(f"Keeping what is trained costs ${offer.storage_per_month:.2f} a month, called or not.")
    if offer.price_note:
        notes.append(offer.price_note)
    return notes


def _end_notes(offer: Offer | None) -> list[str]:
    """Notes on the days from which a provider no longer trains a base model, or no longer serves it."""
    if offer is None:
        return []
    notes = []
    if offer.training_ends:
        notes.append(f"Its provider takes no jobs for it from anybody from {offer.training_ends} on.")
    if offer.shutdown_date:
        notes.append(f"Its provider shuts this base model down, and what is trained from it, on {offer.shutdown_date}.")
    return notes
