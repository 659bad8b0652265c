"""Base models on Bedrock: the ids under which they are trained and called, their line formats and hyperparameters.

The catalog lists them. A base model that isn't listed can't be trained, as nothing is known of what it takes; nor one
that isn't known to be served by the token, as its throughput would be billed by the hour, called or not.
"""

import re
from typing import Any

from tuneloop.domain.core.redaction import safe_model_id
from tuneloop.domain.exports.conversions import Format
from tuneloop.domain.training.model_offers import Capabilities
from tuneloop.providers.catalog import listed_models, price_of

BEDROCK = "bedrock"
# Bedrock's user guide, "Custom model hyperparameters" and "Prepare your training datasets", read 2026-11.
BEDROCK_NAMES = {"n_epochs": "epochCount", "batch_size": "batchSize", "learning_rate": "learningRate"}
LINE_FORMATS = {
    "amazon.nova-": Format.BEDROCK_CONVERSATION,
    "meta.llama3-": Format.BEDROCK_PROMPT,
    "tuneloop.linear-v1": Format.BEDROCK_CONVERSATION,
    "tuneloop.linear-text-v1": Format.BEDROCK_PROMPT,
}
# `amazon.nova-micro-v1:0:128k` is what is trained; calls name it without the length of its context.
WITH_CONTEXT = re.compile(r"(?P<called>[^:]+:\d+):\d+[km]", re.ASCII)
# The longest name that Bedrock takes for a custom model.
LONGEST_SUFFIX = 63
UNKNOWN = "nothing is known of training {model} on Bedrock; these can be trained: {known}."
BY_THE_HOUR = (
    "what is trained on it is not known to be served by the token. Bedrock would bill its throughput by the hour, also "
    "while nobody asks, and Tuneloop deploys no such model; these are served by the token: {known}."
)


def training_id(base_model: str) -> str:
    """The id under which a base model is trained: that with the length of its context, where it has such a one."""
    offer = price_of(BEDROCK, base_model)
    return next((name for name in (offer.aliases if offer else ()) if WITH_CONTEXT.fullmatch(name)), base_model)


def serving_id(model: str) -> str:
    """The id under which calls name a model; a deployment's stands for itself."""
    match = WITH_CONTEXT.fullmatch(model)
    return match["called"] if match else model


def lines_of(base_model: str) -> Format | None:
    """The format of the lines that a base model is trained on, None where that isn't known."""
    return next((lines for start, lines in LINE_FORMATS.items() if base_model.startswith(start)), None)


def hyperparameters_for(base_model: str, given: dict[str, Any]) -> dict[str, str]:
    """Hyperparameters under Bedrock's names, as texts; the number of epochs always, so that the bill is known."""
    offer = price_of(BEDROCK, base_model)
    epochs = offer.hyperparameters.get("n_epochs") if offer else None
    chosen = {"n_epochs": epochs.default if epochs else None} | given
    return {BEDROCK_NAMES[name]: _text(value) for name, value in chosen.items() if value is not None}


def capabilities_on_bedrock(base_model: str) -> Capabilities:
    """What can be done with a base model on Bedrock."""
    offer = price_of(BEDROCK, base_model)
    declared: dict[str, Any] = {"longest_suffix": LONGEST_SUFFIX, "creates_once": True, "finds_by_run": True}
    declared |= {"needs_deployment": True, "push": "event", "tells_tokens": False}
    if offer is None or lines_of(base_model) is None:
        return Capabilities(**declared, why_not=UNKNOWN.format(model=safe_model_id(base_model), known=_token_billed()))
    if not offer.serves_on_demand:
        declared["why_not"] = BY_THE_HOUR.format(known=_token_billed())
    return offer.capabilities(**declared)


def _token_billed() -> str:
    offers = {name: price_of(BEDROCK, name) for name in listed_models(BEDROCK)}
    return ", ".join(name for name, offer in offers.items() if offer and offer.serves_on_demand)


def _text(value: float) -> str:
    """A number as Bedrock reads it: whole ones without a point, small ones without an exponent."""
    return str(int(value)) if float(value).is_integer() else f"{value:.10f}".rstrip("0")
