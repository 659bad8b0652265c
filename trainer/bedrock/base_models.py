"""The base models on Bedrock's wire: one engine under two ids, for the training data of two model families.

`linear` takes conversations and has the hyperparameters of Amazon Nova; `linear-text` takes prompts with completions
and has those of Llama. Source of the ranges: Bedrock's user guide, "Custom model hyperparameters", read 2026-11. A
family's default learning rate stands for the engine's own, and a multiple of it for the same multiple of the engine's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from trainer.bedrock.arns import base_arn
from trainer.bedrock.errors import invalid
from tuneloop.openai_wire.fine_tuning import JobHyperparameters


class Lines(StrEnum):
    """The format of a base model's training lines."""

    CONVERSATION = "bedrock-conversation-2024"
    PROMPT = "prompt and completion"


@dataclass(frozen=True, slots=True)
class HyperparameterRange:
    """A hyperparameter's inclusive bounds and its default as text; `whole` if it must be a whole number."""

    least: float
    most: float
    default: str
    whole: bool = True

    def read(self, name: str, text: str) -> float:
        """Return a request's text as a number; ValidationException if it is none or out of bounds."""
        kind = "a whole number" if self.whole else "a number"
        try:
            value = int(text) if self.whole else float(text)
        except ValueError:
            raise invalid(f"The hyperparameter {name} must be {kind}, written as text.") from None
        if not self.least <= value <= self.most:
            raise invalid(f"The hyperparameter {name} must be {kind} from {self.least:g} to {self.most:g}.")
        return value


@dataclass(frozen=True, slots=True)
class BedrockBaseModel:
    """A base model: its id and name, the format of its training lines, and its hyperparameters."""

    id: str
    name: str
    lines: Lines
    hyperparameters: Mapping[str, HyperparameterRange] = field(repr=False)

    @property
    def short_name(self) -> str:
        """The id without its version, as lists of custom models show it."""
        return self.id.partition(":")[0]

    def with_defaults(self, requested: Mapping[str, str]) -> dict[str, str]:
        """Return all hyperparameters as text; ValidationException if this base model lacks a requested one."""
        if unknown := sorted(requested.keys() - self.hyperparameters.keys()):
            names = ", ".join(self.hyperparameters)
            raise invalid(f"{self.id} has no hyperparameter {', '.join(unknown)}; it has {names}.")
        return {name: requested.get(name, range_.default) for name, range_ in self.hyperparameters.items()}

    def engine_hyperparameters(self, hyperparameters: Mapping[str, str]) -> JobHyperparameters:
        """Return hyperparameters as the engine's; ValidationException if one is out of range."""
        values = {name: self.hyperparameters[name].read(name, text) for name, text in hyperparameters.items()}
        extras: dict[str, Any] = {"warmup_steps": int(values.get("learningRateWarmupSteps", 0))}
        return JobHyperparameters(
            n_epochs=int(values["epochCount"]),
            batch_size=int(values["batchSize"]) if "batchSize" in values else "auto",
            learning_rate_multiplier=values["learningRate"] / float(self.hyperparameters["learningRate"].default),
            **extras,
        )


BEDROCK_BASE_MODELS = (
    BedrockBaseModel(
        "tuneloop.linear-v1:0",
        "Linear",
        Lines.CONVERSATION,
        {
            "epochCount": HyperparameterRange(1, 5, "2"),
            "learningRate": HyperparameterRange(1e-6, 1e-4, "0.00001", whole=False),
            "learningRateWarmupSteps": HyperparameterRange(0, 100, "10"),
        },
    ),
    BedrockBaseModel(
        "tuneloop.linear-text-v1:0",
        "Linear Text",
        Lines.PROMPT,
        {
            "epochCount": HyperparameterRange(1, 10, "5"),
            "batchSize": HyperparameterRange(1, 1, "1"),
            "learningRate": HyperparameterRange(5e-6, 0.1, "0.0001", whole=False),
        },
    ),
)


def base_named(identifier: str, region: str) -> BedrockBaseModel | None:
    """Return the base model with this id or ARN, or None."""
    return next((base for base in BEDROCK_BASE_MODELS if identifier in (base.id, base_arn(region, base.id))), None)
