"""The base models on Bedrock's wire: the trainer's one engine under two ids, as two families of models take their data.

`linear` takes conversations and has the hyperparameters of Amazon Nova, `linear-text` takes prompts with completions
and has those of Llama. Ranges: Bedrock's user guide, "Custom model hyperparameters", read 2026-11. The engine's own
rate is what a family's default stands for; twice the rate there is twice the rate here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from trainer.bedrock.arns import base_arn
from trainer.bedrock.errors import invalid
from tuneloop.openai_wire.fine_tuning import JobHyperparameters


class Lines(StrEnum):
    """How a base model's training lines look."""

    CONVERSATION = "bedrock-conversation-2024"
    PROMPT = "prompt and completion"


@dataclass(frozen=True, slots=True)
class HyperparameterRange:
    """The bounds of a hyperparameter, both inclusive, and its default as text; `whole` where it counts something."""

    least: float
    most: float
    default: str
    whole: bool = True

    def read(self, name: str, text: str) -> float:
        """Return the number that a request's text gives; ValidationException outside of the bounds."""
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
    """One base model: its id and name, its lines, and its hyperparameters."""

    id: str
    name: str
    lines: Lines
    hyperparameters: Mapping[str, HyperparameterRange] = field(repr=False)

    @property
    def short_name(self) -> str:
        """The id without its version, as lists of custom models show it."""
        return self.id.partition(":")[0]

    def with_defaults(self, given: Mapping[str, str]) -> dict[str, str]:
        """Return every hyperparameter as text; ValidationException for one that this base model does not have."""
        if unknown := sorted(given.keys() - self.hyperparameters.keys()):
            known = ", ".join(self.hyperparameters)
            raise invalid(f"{self.id} has no hyperparameter {', '.join(unknown)}; it has {known}.")
        return {name: given.get(name, range_.default) for name, range_ in self.hyperparameters.items()}

    def engine_hyperparameters(self, hyperparameters: Mapping[str, str]) -> JobHyperparameters:
        """Translate hyperparameters into the engine's; ValidationException for one that is out of range."""
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
    """Return the base model with this id or ARN."""
    return next((base for base in BEDROCK_BASE_MODELS if identifier in (base.id, base_arn(region, base.id))), None)
