"""Training costs: the tokens that a provider bills for a run and their price, one truth for estimates and for runs."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from tuneloop.domain.chat.images import NO_IMAGES, ImageUnits, TokenRange
from tuneloop.domain.core.pricing import training_cost
from tuneloop.domain.training.model_offers import Offer, epochs_of

NOTHING = TokenRange(0, 0)


class Billable(NamedTuple):
    """What a provider bills: tokens of texts and of images times the epochs; None where images can't be counted."""

    n_epochs: int
    text: int
    images: TokenRange | None

    @property
    def tokens(self) -> int:
        """All of them, images at the most that they may count, or not at all where that isn't known."""
        return self.text + (self.images or NOTHING).high

    def cost(self, offer: Offer | None) -> Decimal | None:
        """USD for all of it at most, None where a price or a count is unknown; what is free is free."""
        if self.images is None and training_cost(offer, 1) != 0:
            return None
        return training_cost(offer, self.tokens)


def billable_of(
    offer: Offer | None,
    examples: int,
    tokens: int,
    images: ImageUnits | None = NO_IMAGES,
    hyperparameters: Mapping[str, Any] | None = None,
) -> Billable:
    """What training on so many examples, their tokens and images is billed for; images that nobody counted are none."""
    epochs = epochs_of(offer, epochs_in(hyperparameters or {}), examples)
    counted = image_tokens(offer, images or NO_IMAGES)
    return Billable(epochs, tokens * epochs, counted and TokenRange(counted.low * epochs, counted.high * epochs))


def epochs_in(hyperparameters: Mapping[str, Any]) -> int | None:
    """The epochs that were chosen, None where that is left to the provider."""
    chosen = hyperparameters.get("n_epochs")
    return chosen if isinstance(chosen, int) and not isinstance(chosen, bool) and chosen > 0 else None


def image_tokens(offer: Offer | None, images: ImageUnits) -> TokenRange | None:
    """What images count in training, None where their provider publishes no rule; it may train on none of them."""
    if not images or (offer and not offer.trains_images):
        return NOTHING
    return offer.images.tokens(images) if offer and offer.images else None


def images_asked(offer: Offer | None, images: ImageUnits) -> int | None:
    """What images count at most in calls, None where their provider publishes no rule."""
    if not images:
        return 0
    return offer.images.tokens(images).high if offer and offer.images else None
