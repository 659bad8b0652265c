"""Capabilities: what a provider can do with a base model, declared, so that what it can't honour is refused unspent."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo
from pydantic_core import PydanticCustomError

from tuneloop.domain.training.jobs import RunError, TrainingMethod

Push = Literal["webhook", "event"]
# Hyperparameters that no provider takes any more, and what to do instead: old scripts still send them.
RETIRED = {"prompt_loss_weight": "no provider accepts it any more; leave it out"}
OF_PREFERENCE = frozenset({"beta"})


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


class Range(BaseModel):
    """The values that a hyperparameter may have, both ends included."""

    least: float
    most: float
    is_whole: bool = False
    default: float | None = None

    def holds(self, value: object) -> bool:
        """Whether a value is one of them."""
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return False
        return self.least <= value <= self.most and (not self.is_whole or float(value).is_integer())

    def __str__(self) -> str:
        return f"{'a whole number' if self.is_whole else 'a number'} from {self.least:g} to {self.most:g}"


class Capabilities(BaseModel):
    """What a provider does with one base model.

    `regions` is empty where it trains anywhere, a number of bytes None where nothing is said of it; a file larger
    than `whole_file_bytes` goes in parts. `push` is how it tells of a job's end by itself; `creates_once` that a create
    which is sent again makes no second job. `why_not` is why it trains on this base model not at all.
    """

    methods: tuple[TrainingMethod, ...] = (TrainingMethod.SUPERVISED,)
    hyperparameters: dict[str, Range] = {}
    fewest_examples: int = 10
    longest_suffix: int = 64
    largest_file_bytes: int | None = None
    whole_file_bytes: int | None = None
    part_bytes: int | None = None
    regions: tuple[str, ...] = ()
    creates_once: bool = False
    finds_by_run: bool = False
    reports_events: bool = True
    tells_tokens: bool = True
    needs_deployment: bool = False
    push: Push | None = None
    price_basis: Literal["tokens", "nothing"] = "tokens"
    why_not: str | None = None

    def refusal(
        self, method: TrainingMethod, hyperparameters: Mapping[str, Any], region: str | None = None, suffix: str = ""
    ) -> RunError | None:
        """Why a run can't be trained like this, naming the capability and what it allows; None where it can."""
        if self.why_not:
            return RunError(code="not_supported", message=f"base_model: {self.why_not}", param="base_model")
        if method not in self.methods:
            return _refused("method", method, f"it trains by {_either(self.methods)}")
        if region is not None and self.regions and region not in self.regions:
            return _refused("region", region, f"it trains this base model in {_either(self.regions)}")
        if len(suffix) > self.longest_suffix:
            given = f"a suffix of {len(suffix)} characters"
            return _refused("suffix", given, f"it takes at most {self.longest_suffix} characters")
        refusals = (self._refusal_of(name, value, method) for name, value in hyperparameters.items())
        return next(filter(None, refusals), None)

    def _refusal_of(self, name: str, value: object, method: TrainingMethod) -> RunError | None:
        where = f"hyperparameters.{name}"
        if name in RETIRED:
            return RunError(code="no_longer_accepted", message=f"{where}: {RETIRED[name]}.", param=where)
        if name not in self.hyperparameters:
            takes = f"it takes {_either(self.hyperparameters)}" if self.hyperparameters else "it takes none"
            return _refused(where, None, takes)
        if name in OF_PREFERENCE and method != TrainingMethod.PREFERENCE:
            return _refused(where, None, f"it belongs to the method {TrainingMethod.PREFERENCE}")
        if value == "auto":
            return _refused(where, value, "leave it out, and the provider chooses by itself")
        allowed = self.hyperparameters[name]
        return None if allowed.holds(value) else _refused(where, value, f"it has to be {allowed}")


def _refused(capability: str, value: object, allowed: str) -> RunError:
    given = "is" if value is None else f"{value} is"
    message = f"{capability}: {given} not possible with this provider and base model; {allowed}."
    return RunError(code="not_supported", message=message, param=capability)


def _either(names: Any) -> str:
    return " or ".join(sorted(map(str, names)))
