"""What a smoke test will train on and what it can cost at most, from dated prices, before anything is spent."""

import math
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

from infra.stage import ROOT
from tuneloop.domain.core.pricing import inference_cost
from tuneloop.domain.evaluation.evaluations import FEWEST_ROWS
from tuneloop.domain.training.costs import billable_of
from tuneloop.domain.training.model_offers import Offer
from tuneloop.validation.tokens import count_messages

SAMPLE = ROOT / "local" / "data" / "support.jsonl"
TRAIN_LINES = 48
TEST_LINES = FEWEST_ROWS + 4  # the fewest that a comparison is made on, and a few to lose
ANSWER_TOKENS = 64  # an answer of this sample takes about 10; a base model may be wordier
PROMPT_EXTRA = 400  # the answers that the base model's prompt names
CENT = Decimal("0.01")
UNKNOWN_TIME = "How long training takes there is not known; TIMEOUT=minutes says how long the test waits for it."


@dataclass(frozen=True)
class SmokePlan:
    """The lines of a smoke test and its highest price in USD; None where the provider's prices are unknown."""

    train: list[bytes]
    test: list[bytes]
    training_usd: Decimal | None
    answers_usd: Decimal | None
    storage_usd_per_month: Decimal = Decimal(0)  # of one trained model, as far as it is known
    is_time_known: bool = True

    @property
    def total_usd(self) -> Decimal | None:
        """All of it, rounded up to a cent."""
        if self.training_usd is None or self.answers_usd is None:
            return None
        return math.ceil((self.training_usd + self.answers_usd) / CENT) * CENT

    @property
    def notes(self) -> list[str]:
        """What to know besides the price."""
        kept = f"What is trained would cost ${self.storage_usd_per_month} a month to keep"
        return [
            *([f"{kept}: the test retires it at its end, which deletes it."] if self.storage_usd_per_month else []),
            *([] if self.is_time_known else [UNKNOWN_TIME]),
        ]


def plan_smoke_test(offer: Offer | None, sample: Path = SAMPLE) -> SmokePlan:
    """The first lines of the sample, test after train, and what they cost where that base model is offered."""
    lines = sample.read_bytes().splitlines()[: TRAIN_LINES + TEST_LINES]
    train, test = lines[:TRAIN_LINES], lines[TRAIN_LINES:]
    training = billable_of(offer, len(train), sum(map(_tokens, train))).cost(offer)
    prompts = sum(_tokens(line) + PROMPT_EXTRA for line in test) + PROMPT_EXTRA  # the last: one answer to one user
    answers = [
        inference_cost(offer, prompts, ANSWER_TOKENS * (len(test) + 1), is_finetuned=tuned) for tuned in (True, False)
    ]
    dear = None if None in answers else sum((cost for cost in answers if cost is not None), Decimal(0))
    storage = (offer and offer.storage_per_month) or Decimal(0)
    is_timed = offer is not None and offer.training_minutes is not None
    return SmokePlan(train, test, training, dear, storage, is_timed)


def question_of(line: bytes) -> str:
    """What the user of a line asks."""
    return next(str(message["content"]) for message in _messages(line) if message["role"] == "user")


def _tokens(line: bytes) -> int:
    return count_messages(_messages(line))


def _messages(line: bytes) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = orjson.loads(line)["messages"]
    return found
