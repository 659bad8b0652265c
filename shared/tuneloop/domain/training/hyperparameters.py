"""Hyperparameters as users name them: known words with bounds that only keep nonsense out.

Which of them a provider takes for a base model, and within which bounds, its capabilities say.
"""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo
from pydantic_core import PydanticCustomError

from tuneloop.domain.training.capabilities import RETIRED


def _retired(value: object, info: ValidationInfo) -> object:
    if value is None:
        return value
    raise PydanticCustomError("no_longer_accepted", "{why}", {"why": RETIRED[str(info.field_name)]})


class TrainingHyperparameters(BaseModel):
    """How to train, in OpenAI's words and `learning_rate`; what is left out is up to the provider."""

    model_config = ConfigDict(extra="forbid")

    n_epochs: int | None = Field(default=None, ge=1, le=1000, strict=True)
    batch_size: int | None = Field(default=None, ge=1, le=100_000, strict=True)
    learning_rate_multiplier: float | None = Field(default=None, gt=0, le=1e6, allow_inf_nan=False, strict=True)
    learning_rate: float | None = Field(default=None, gt=0, le=1, allow_inf_nan=False, strict=True)
    beta: float | None = Field(default=None, gt=0, le=1000, allow_inf_nan=False, strict=True)
    prompt_loss_weight: Annotated[None, BeforeValidator(_retired)] = Field(
        default=None, json_schema_extra={"deprecated": True}
    )
