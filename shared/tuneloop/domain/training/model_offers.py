"""Offers: what a provider offers for a base model: prices, limits, how it is trained, where, and until when.

All of it is data with a date and a source; what isn't known is None, with the reason beside it.
"""

from datetime import date, timedelta

from pydantic import BaseModel, Field

from tuneloop.domain.chat.images import ImageRule
from tuneloop.domain.core.pricing import Price, Usd, auto_epochs
from tuneloop.domain.training.capabilities import Capabilities, Range
from tuneloop.domain.training.jobs import TrainingMethod

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
