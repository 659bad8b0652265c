"""Offers: what a provider can do with a base model, at which prices and limits, where, and until when.

Every figure has a date and a source; an unknown one is None, with the reason beside it.
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
RETIRED_HYPERPARAMETERS = {"prompt_loss_weight": "no provider accepts it any more; leave it out"}
PREFERENCE_ONLY = frozenset({"beta"})
# OpenAI takes no job of fewer examples, and no longer suffix (read 2026-11); taken for providers that publish neither.
FEWEST_EXAMPLES = 10
LONGEST_SUFFIX = 64


def _refuse_retired(value: object, info: ValidationInfo) -> object:
    if value is None:
        return value
    raise PydanticCustomError("no_longer_accepted", "{why}", {"why": RETIRED_HYPERPARAMETERS[str(info.field_name)]})


class TrainingHyperparameters(BaseModel):
    """How to train, in OpenAI's words, with `learning_rate` beside them; the provider chooses what is left out.

    The bounds only refuse what no provider could mean; each provider's own are in its offer.
    """

    model_config = ConfigDict(extra="forbid")

    n_epochs: int | None = Field(default=None, ge=1, le=1000, strict=True)
    batch_size: int | None = Field(default=None, ge=1, le=100_000, strict=True)
    learning_rate_multiplier: float | None = Field(default=None, gt=0, le=1e6, allow_inf_nan=False, strict=True)
    learning_rate: float | None = Field(default=None, gt=0, le=1, allow_inf_nan=False, strict=True)
    beta: float | None = Field(default=None, gt=0, le=1000, allow_inf_nan=False, strict=True)
    prompt_loss_weight: Annotated[None, BeforeValidator(_refuse_retired)] = Field(
        default=None, json_schema_extra={"deprecated": True}
    )


class Range(BaseModel):
    """The numbers that a hyperparameter may be, both ends included; `default` is the provider's own choice."""

    least: float
    most: float
    is_whole: bool = False
    default: float | None = None

    def holds(self, value: object) -> bool:
        """Whether a value is a number in the range."""
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return False
        return self.least <= value <= self.most and (not self.is_whole or float(value).is_integer())

    def __str__(self) -> str:
        return f"{'a whole number' if self.is_whole else 'a number'} from {self.least:g} to {self.most:g}"


class Capabilities(BaseModel):
    """What a provider does with one base model.

    `regions` is empty where the provider trains anywhere, a number of bytes None where it publishes no limit; a file
    larger than `whole_file_bytes` goes in parts. `push` is how the provider reports a job's end by itself, None where
    we have to ask; `creates_once` says that a create which is sent again makes no second job. `why_not` is why the
    provider can't train on this base model at all.
    """

    methods: tuple[TrainingMethod, ...] = (TrainingMethod.SUPERVISED,)
    hyperparameters: dict[str, Range] = {}
    fewest_examples: int = FEWEST_EXAMPLES
    longest_suffix: int = LONGEST_SUFFIX
    largest_file_bytes: int | None = None
    whole_file_bytes: int | None = None
    part_bytes: int | None = None
    regions: tuple[str, ...] = ()
    creates_once: bool = False
    finds_by_run: bool = False
    tells_tokens: bool = True
    needs_deployment: bool = False
    push: Push | None = None
    why_not: str | None = None

    def refusal(
        self, method: TrainingMethod, hyperparameters: Mapping[str, Any], region: str | None = None, suffix: str = ""
    ) -> RunError | None:
        """Why a run can't be trained like this, naming the capability and what is allowed; None where it can be."""
        if self.why_not:
            return RunError(code="not_supported", message=f"base_model: {self.why_not}", param="base_model")
        if method not in self.methods:
            return _not_possible("method", method, f"it trains by {_either(self.methods)}")
        if region is not None and self.regions and region not in self.regions:
            return _not_possible("region", region, f"it trains this base model in {_either(self.regions)}")
        if len(suffix) > self.longest_suffix:
            given = f"a suffix of {len(suffix)} characters"
            return _not_possible("suffix", given, f"it takes at most {self.longest_suffix} characters")
        refusals = (self._refusal_of(name, value, method) for name, value in hyperparameters.items())
        return next(filter(None, refusals), None)

    def _refusal_of(self, name: str, value: object, method: TrainingMethod) -> RunError | None:
        where = f"hyperparameters.{name}"
        if name in RETIRED_HYPERPARAMETERS:
            return RunError(
                code="no_longer_accepted", message=f"{where}: {RETIRED_HYPERPARAMETERS[name]}.", param=where
            )
        if name not in self.hyperparameters:
            takes = f"it takes {_either(self.hyperparameters)}" if self.hyperparameters else "it takes none"
            return _not_possible(where, None, takes)
        if name in PREFERENCE_ONLY and method != TrainingMethod.PREFERENCE:
            return _not_possible(where, None, f"it belongs to the method {TrainingMethod.PREFERENCE}")
        if value == "auto":
            return _not_possible(where, value, "leave it out, and the provider chooses by itself")
        allowed = self.hyperparameters[name]
        return None if allowed.holds(value) else _not_possible(where, value, f"it has to be {allowed}")


def _not_possible(capability: str, value: object, allowed: str) -> RunError:
    given = "is" if value is None else f"{value} is"
    message = f"{capability}: {given} not possible with this provider and base model; {allowed}."
    return RunError(code="not_supported", message=message, param=capability)


def _either(names: Any) -> str:
    return " or ".join(sorted(map(str, names)))


class Minutes(BaseModel):
    """The least and most minutes that training takes: a fixed part, and one per million tokens (epochs counted in)."""

    least: float
    most: float
    least_per_1m: float
    most_per_1m: float
    source: str


class FileLimits(BaseModel):
    """Bytes of a file that a provider takes: at most, at most in one request, and in each part of a larger file."""

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

    `aliases` are other names of the base model; `serves_on_demand` says whether calls to the trained model are billed
    by the token (None where that isn't known); `storage_per_month` is what keeping one trained model costs, in USD.
    `images` is the rule by which an image's tokens are counted, None where none is published; unless the base model
    `trains_images`, examples with images are left out. From `training_ends` on the provider takes no jobs from anybody.
    """

    aliases: tuple[str, ...] = ()
    methods: tuple[TrainingMethod, ...] = (TrainingMethod.SUPERVISED,)
    hyperparameters: dict[str, Range] = Field(default={})
    fewest_examples: int | None = None
    tokens_per_example: int | None = None
    longest_suffix: int = LONGEST_SUFFIX
    limits: FileLimits = FileLimits()
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

    def closing_date(self, today: date) -> date | None:
        """The day since which the provider no longer trains on the base model, or shut it down; None while it does."""
        return min((end for end in (self.training_ends, self.shutdown_date) if end and end <= today), default=None)

    def dies_within(self, within: timedelta, today: date) -> bool:
        """Whether the provider shuts the base model down within this time, or has done so already."""
        return self.shutdown_date is not None and self.shutdown_date - today <= within

    def capabilities(self, **more: object) -> Capabilities:
        """What the provider can do with this base model; `more` are the capabilities that its adapter declares."""
        offered = {
            "methods": self.methods,
            "hyperparameters": self.hyperparameters,
            "fewest_examples": self.fewest_examples or FEWEST_EXAMPLES,
            "longest_suffix": self.longest_suffix,
            "regions": self.regions,
            **self.limits.model_dump(exclude={"source"}),
        }
        return Capabilities.model_validate(offered | more)


def epochs_of(offer: Offer | None, chosen: int | None, examples: int) -> int:
    """The number of epochs: the chosen one, else the provider's default, else OpenAI's automatic one."""
    usual = offer.hyperparameters.get("n_epochs") if offer else None
    return chosen or int((usual and usual.default) or 0) or auto_epochs(max(1, examples))
