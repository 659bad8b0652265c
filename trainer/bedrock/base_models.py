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
    """What a hyperparameter may be, and what it is where it isn't given; `whole` where it counts something."""

    least: float
    most: float
    default: str
    whole: bool = True

    def read(self, name: str, text: str) -> float:
        """Return the number that a text gives, or refuse it."""
        kind = "a whole number" if self.whole else "a number"
        try:
            value = int(text) if self.whole else float(text)
        except ValueError:
            raise invalid(f"The hyperparameter {name} must be {kind}, written as text.") from None
        if not self.least <= value <= self.most:
            raise invalid(f"The hyperparameter {name} must be {kind} from {self.least:g} to {self.most:g}.")
        return value


@dataclass(frozen=True, slots=True)
class Base:
    """One base model: its id and name, its lines, and its hyperparameters."""

    id: str
    name: str
    lines: Lines
    hyperparameters: Mapping[str, HyperparameterRange] = field(repr=False)

    @property
    def short_name(self) -> str:
        """The id without its version, as lists of custom models show it."""
        return self.id.partition(":")[0]

    def settled(self, given: Mapping[str, str]) -> dict[str, str]:
        """Return every hyperparameter as text, or refuse what this base model does not take."""
        if unknown := sorted(given.keys() - self.hyperparameters.keys()):
            known = ", ".join(self.hyperparameters)
            raise invalid(f"{self.id} has no hyperparameter {', '.join(unknown)}; it has {known}.")
        return {name: given.get(name, one.default) for name, one in self.hyperparameters.items()}

    def for_the_engine(self, settled: Mapping[str, str]) -> JobHyperparameters:
        """Translate hyperparameters into the engine's, refusing what is out of range."""
        values = {name: self.hyperparameters[name].read(name, text) for name, text in settled.items()}
        more: dict[str, Any] = {"warmup_steps": int(values.get("learningRateWarmupSteps", 0))}
        return JobHyperparameters(
            n_epochs=int(values["epochCount"]),
            batch_size=int(values["batchSize"]) if "batchSize" in values else "auto",
            learning_rate_multiplier=values["learningRate"] / float(self.hyperparameters["learningRate"].default),
            **more,
        )


BASES = (
    Base(
        "tuneloop.linear-v1:0",
        "Linear",
        Lines.CONVERSATION,
        {
            "epochCount": HyperparameterRange(1, 5, "2"),
            "learningRate": HyperparameterRange(1e-6, 1e-4, "0.00001", whole=False),
            "learningRateWarmupSteps": HyperparameterRange(0, 100, "10"),
        },
    ),
    Base(
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


def base_named(identifier: str, region: str) -> Base | None:
    """Return the base model with this id or ARN."""
    return next((base for base in BASES if identifier in (base.id, base_arn(region, base.id))), None)
