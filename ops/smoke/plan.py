"""The plan of a smoke test: the lines that it trains on and its highest price, from dated prices, before it starts."""

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
# Few, because each line is paid for, and more than the ten that providers ask for at least, also once some of them are
# taken out to validate.
TRAIN_LINES = 48
TEST_LINES = FEWEST_ROWS + 4  # the fewest that the gate compares on, and a few that overlap may take away
# The sample's answers take about 10 tokens. This bounds the price, and a base model may be wordier.
ANSWER_TOKENS = 64
PROMPT_EXTRA_TOKENS = 400  # the list of possible answers in the base model's prompt
CENT = Decimal("0.01")
UNKNOWN_TIME = "How long training takes there is not known; TIMEOUT=minutes says how long the test waits for it."


@dataclass(frozen=True)
class SmokePlan:
    """The lines of a smoke test and its highest price in USD, None where the provider's price is not known."""

    train: list[bytes]
    test: list[bytes]
    training_usd: Decimal | None
    answers_usd: Decimal | None
    storage_usd_per_month: Decimal = Decimal(0)  # of one trained model, as far as it is known
    is_time_known: bool = True

    @property
    def total_usd(self) -> Decimal | None:
        """The price of training and answers together, rounded up to a cent."""
        if self.training_usd is None or self.answers_usd is None:
            return None
        return math.ceil((self.training_usd + self.answers_usd) / CENT) * CENT

    @property
    def notes(self) -> list[str]:
        """Sentences about what the operator should know besides the price."""
        storage = f"The trained model would cost ${self.storage_usd_per_month} a month to keep"
        return [
            *([f"{storage}: the test retires it at its end, which deletes it."] if self.storage_usd_per_month else []),
            *([] if self.is_time_known else [UNKNOWN_TIME]),
        ]


def plan_smoke_test(offer: Offer | None, sample: Path = SAMPLE) -> SmokePlan:
    """The plan for a base model's offer: the sample's first lines, test after train, and what they cost at most."""
    lines = sample.read_bytes().splitlines()[: TRAIN_LINES + TEST_LINES]
    train, test = lines[:TRAIN_LINES], lines[TRAIN_LINES:]
    training = billable_of(offer, len(train), sum(map(_tokens, train))).cost(offer)
    # Both versions answer every test line; one more question is asked after the activation.
    prompt_tokens = sum(_tokens(line) + PROMPT_EXTRA_TOKENS for line in test) + PROMPT_EXTRA_TOKENS
    answer_tokens = ANSWER_TOKENS * (len(test) + 1)
    costs = [inference_cost(offer, prompt_tokens, answer_tokens, is_finetuned=tuned) for tuned in (True, False)]
    answers = None if None in costs else sum((cost for cost in costs if cost is not None), Decimal(0))
    storage = (offer and offer.storage_per_month) or Decimal(0)
    is_time_known = offer is not None and offer.training_minutes is not None
    return SmokePlan(train, test, training, answers, storage, is_time_known)


def question_of(line: bytes) -> str:
    """The first user message of a training line."""
    return next(str(message["content"]) for message in _messages(line) if message["role"] == "user")


def _tokens(line: bytes) -> int:
    return count_messages(_messages(line))


def _messages(line: bytes) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = orjson.loads(line)["messages"]
    return messages
