"""Offers: what a provider can do with a base model, at which prices and limits, where, and until when.

All of it is data with a date and a source; what isn't known is None, with the reason beside it.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo
from pydantic_core import PydanticCustomError

from tuneloop.domain.chat.images import ImageRule
from tuneloop.domain.core.pricing import Price, Usd, auto_epochs
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


FEWEST = 10
SUFFIX = 64


class Minutes(BaseModel):
    """How long training takes: at least and at most, in all and for each million tokens (epochs counted in)."""

    least: float
    most: float
    least_per_1m: float
    most_per_1m: float
    source: str


class Limits(BaseModel):
    """What a provider takes of files: the largest at all, the largest in one piece, and the parts of a larger one."""

    largest_file_bytes: int | None = None
    whole_file_bytes: int | None = None
    part_bytes: int | None = None
    source: str = ""


class Successor(BaseModel):
    """The base model that takes over when one is shut down."""

    provider: str
    base_model: str


class Offer(Price):
    """What a provider offers for a base model; `price_note` says why a price is None.

    `aliases` are names that lead to it, `serves_on_demand` whether what is trained is billed by the token (None where
    that isn't known), `storage_per_month` what keeping one trained model costs. `images` is how the tokens of images
    are counted, None where no rule is published; examples with images stay behind where it `trains_images` not. From
    `training_ends` on its provider takes no jobs from anybody.
    """

    aliases: tuple[str, ...] = ()
    methods: tuple[TrainingMethod, ...] = (TrainingMethod.SUPERVISED,)
    hyperparameters: dict[str, Range] = Field(default={})
    fewest_examples: int | None = None
    tokens_per_example: int | None = None
    longest_suffix: int = SUFFIX
    limits: Limits = Limits()
    regions: tuple[str, ...] = ()
    serves_on_demand: bool | None = None
    storage_per_month: Usd | None = None
    training_minutes: Minutes | None = None
    images: ImageRule | None = None
    trains_images: bool = True
    price_note: str | None = None
    training_ends: date | None = None
    shutdown_source: str | None = None
    successor: Successor | None = None
    source: str = Field(default="", description="Where methods, hyperparameters and regions were read.")

    def closed_since(self, today: date) -> date | None:
        """Since when its provider trains nothing on it any more, or serves nothing at all; None while it does."""
        return min((end for end in (self.training_ends, self.shutdown_date) if end and end <= today), default=None)

    def dies_within(self, within: timedelta, today: date) -> bool:
        """Whether its provider shuts it down soon, or has done so."""
        return self.shutdown_date is not None and self.shutdown_date - today <= within

    def capabilities(self, **more: object) -> Capabilities:
        """What a provider can do with this base model; `more` is what the provider says of itself."""
        said = {
            "methods": self.methods,
            "hyperparameters": self.hyperparameters,
            "fewest_examples": self.fewest_examples or FEWEST,
            "longest_suffix": self.longest_suffix,
            "regions": self.regions,
            **self.limits.model_dump(exclude={"source"}),
        }
        return Capabilities.model_validate(said | more)


def epochs_of(offer: Offer | None, chosen: int | None, examples: int) -> int:
    """How often each example is trained on: as chosen, else as the provider does by itself, else as OpenAI does."""
    usual = offer.hyperparameters.get("n_epochs") if offer else None
    return chosen or int((usual and usual.default) or 0) or auto_epochs(max(1, examples))
