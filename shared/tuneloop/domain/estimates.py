"""Estimates: what training and a month of calls would cost, how long it takes, and what the result could prove.

Nothing here is a bill: tokens are counted exactly where an export or a file was read, but tools and answers of other
formats are billed in ways that aren't published, so every sum has a low and a high end. What isn't known is null, with
a note that says why.
"""

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple, Self

from pydantic import BaseModel

from tuneloop.domain.evaluation import FEWEST_ROWS
from tuneloop.domain.examples import Split
from tuneloop.domain.exclusions import shortage
from tuneloop.domain.offers import Minutes, Offer, epochs_of
from tuneloop.domain.policy import DEFAULT, LEAST_TRAINED, Policy
from tuneloop.domain.pricing import Usd, inference_cost, training_cost
from tuneloop.domain.splitting import ASSUMED_DISCORDANCE, divided
from tuneloop.domain.statistics import alpha_per_look, smallest_detectable_difference

COUNTED_ERROR = 0.05  # of tokens that were counted
GUESSED_ERROR = 0.25  # of tokens that somebody named as an average
ANSWER_SHARE = 0.25  # of an example's tokens, where nobody has counted those of its answer
MILLION = 1_000_000
UNKNOWN_PRICE = "The price of training this base model is not known here: nothing is launched on it unconfirmed."
UNKNOWN_CALLS = "The prices of calls to this model, or to its base, are not known here."
NO_PROOF = "The split keeps too few examples for a test to prove any improvement: activate by hand, or add examples."


class Basis(NamedTuple):
    """What would be trained on: examples and their tokens once, rows of the test, tokens of an answer, how sure.

    `held` are the examples that validate or test.
    """

    examples: int
    tokens: int
    test_rows: int
    answer_tokens: float
    token_error: float = COUNTED_ERROR
    held: int = 0

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
        """From a number of examples and their tokens alone, divided as an export would divide them.

        `marked` are those that their users marked; each of the others is taken for a prompt of its own.
        """
        counts = divided(examples, policy, marked or {})
        train, average = counts[Split.TRAIN], tokens / examples if examples else 0.0
        answer = ANSWER_SHARE * average if answer_tokens is None else answer_tokens
        return cls(train, round(average * train), counts[Split.TEST], answer, error, examples - train)

    @property
    def average_tokens(self) -> float:
        """Tokens of one example."""
        return self.tokens / self.examples if self.examples else 0.0


class UsdRange(BaseModel):
    """US dollars, from and to."""

    low: Usd
    high: Usd


class MinuteRange(BaseModel):
    """Minutes, from and to."""

    low: int
    high: int


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

    `examples` are those that train, `estimated_tokens` theirs times the epochs. `smallest_provable_improvement` is the
    gain in accuracy (0.15: 15 points) that the test rows show with 80% power.
    """

    base_model: str
    examples: int
    estimated_tokens: int
    epochs: int
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


def estimate(
    base_model: str, offer: Offer | None, basis: Basis, *, epochs: int | None = None, calls: int | None = None
) -> Estimate:
    """The estimate of training a base model, and of that many calls a month to what comes out."""
    times = epochs_of(offer, epochs, basis.examples)
    billable = basis.tokens * times
    cost = training_cost(offer, billable)
    monthly = _monthly(offer, basis, calls) if calls else None
    provable = _provable(basis.test_rows)
    return Estimate(
        base_model=base_model,
        examples=basis.examples,
        estimated_tokens=billable,
        epochs=times,
        cost_per_1m_tokens=offer and offer.training_per_1m,
        estimated_cost_usd=None if cost is None else _around(cost, basis.token_error),
        minutes=_minutes(offer.training_minutes, billable) if offer and offer.training_minutes else None,
        minutes_source=offer.training_minutes.source if offer and offer.training_minutes else None,
        input_cost_per_1m=offer and offer.input_per_1m,
        output_cost_per_1m=offer and offer.output_per_1m,
        price_date=offer and offer.price_date.isoformat(),
        price_source=offer and offer.price_source,
        smallest_provable_improvement=provable,
        test_rows=basis.test_rows,
        monthly_calls=monthly,
        notes=[
            *([UNKNOWN_PRICE] if cost is None else []),
            *([UNKNOWN_CALLS] if calls and monthly is None else []),
            *([NO_PROOF] if provable is None else []),
            *_limits(offer, basis),
        ],
    )


def _around(cost: Decimal, error: float) -> UsdRange:
    share = Decimal(str(error))
    return UsdRange(low=cost * (1 - share), high=cost * (1 + share))


def _minutes(minutes: Minutes, tokens: int) -> MinuteRange:
    millions = tokens / MILLION
    low, high = minutes.least + minutes.least_per_1m * millions, minutes.most + minutes.most_per_1m * millions
    return MinuteRange(low=math.floor(low), high=math.ceil(high))


def _provable(test_rows: int) -> float | None:
    if test_rows < FEWEST_ROWS:
        return None
    smallest = smallest_detectable_difference(test_rows, ASSUMED_DISCORDANCE, alpha=alpha_per_look(1))
    return math.ceil(1000 * smallest) / 1000


def _monthly(offer: Offer | None, basis: Basis, calls: int) -> MonthlyCalls | None:
    completion = round(basis.answer_tokens)
    prompt = max(0, round(basis.average_tokens) - completion)
    tuned, base = (inference_cost(offer, prompt, completion, is_finetuned=tuned) for tuned in (True, False))
    if tuned is None or base is None:
        return None
    return MonthlyCalls(
        calls=calls,
        prompt_tokens=prompt,
        completion_tokens=completion,
        cost_usd=tuned * calls,
        base_cost_usd=base * calls,
        difference_usd=(tuned - base) * calls,
    )


def _limits(offer: Offer | None, basis: Basis) -> list[str]:
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
    if offer.training_ends:
        notes.append(f"Its provider takes no jobs for it from anybody from {offer.training_ends} on.")
    if offer.shutdown_date:
        notes.append(f"Its provider shuts this base model down, and what is trained from it, on {offer.shutdown_date}.")
    return notes
