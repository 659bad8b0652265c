"""Overfitting: a validation loss that fell and then rose, and the epoch after which training would have been best.

A loss wobbles from epoch to epoch, so only a clear rise counts: the final loss has to be more than 10% above the best
one, and more than 0.02 above it. Losses that go up and down by 4% around what they are can't reach that.
"""

import math
from collections.abc import Iterable, Mapping

from pydantic import BaseModel

from tuneloop.domain.training.jobs import RunEvent

CLEARLY = 1.10
AT_LEAST = 0.02
FEWEST_EPOCHS = 2


class Overfitting(BaseModel):
    """The epoch with the best validation loss, counted from 1, that loss, and the one at the end, which is worse."""

    best_epoch: int
    best_valid_loss: float
    final_valid_loss: float


def epoch_losses(events: Iterable[RunEvent], epochs: int | None) -> dict[int, float]:
    """The last validation loss of each epoch that the events tell of; none where nobody knows how many there are."""
    found: dict[int, tuple[int, float]] = {}
    for event in events:
        if epochs is None or event.valid_loss is None or not event.step or not event.total_steps:
            continue
        epoch = min(epochs, math.ceil(epochs * event.step / event.total_steps))
        if epoch not in found or event.step >= found[epoch][0]:
            found[epoch] = event.step, event.valid_loss
    return {epoch: loss for epoch, (_, loss) in sorted(found.items())}


def overfitting(losses: Mapping[int, float]) -> Overfitting | None:
    """Whether training went on for too long, by the validation losses of its epochs."""
    if len(losses) < FEWEST_EPOCHS:
        return None
    best = min(losses, key=lambda epoch: (losses[epoch], epoch))
    lowest, final = losses[best], losses[max(losses)]
    if final <= lowest * CLEARLY or final - lowest <= AT_LEAST:
        return None
    return Overfitting(best_epoch=best, best_valid_loss=lowest, final_valid_loss=final)
