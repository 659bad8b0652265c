"""What a run may spend: its estimate, whether it has to be confirmed, and its reservation in the month's budget."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from tuneloop.domain.chat.examples import Split
from tuneloop.domain.chat.images import NO_IMAGES
from tuneloop.domain.core.pricing import training_cost
from tuneloop.domain.exports.exports import Export, ExportFile
from tuneloop.domain.training.budgets import UNCOUNTED, asked_of, evaluation_cost, month_of, usd
from tuneloop.domain.training.costs import billable_of
from tuneloop.domain.training.estimates import minutes_of
from tuneloop.domain.training.model_offers import Offer
from tuneloop.domain.training.runs import ControlledRun
from tuneloop.store.objects.bucket import Objects
from tuneloop.store.objects.image_lines import images_in

UNKNOWN_PRICE = "A confirmation: this base model's training price is not known."
UNKNOWN_IMAGES = (
    "A confirmation: the data holds {:,} images, and how this provider counts the tokens of an image is not known here."
)


@dataclass(frozen=True)
class Costs:
    """What a run is estimated to cost in US dollars and to take in minutes, at most; None is unknown."""

    training_usd: Decimal | None
    evaluation_usd: Decimal | None
    minutes: int | None
    uncounted_images: int = 0

    @property
    def asked_usd(self) -> Decimal | None:
        """All that it is going to cost."""
        return asked_of(self.training_usd, self.evaluation_usd)

    @property
    def fields(self) -> dict[str, Any]:
        """What a run shows of its costs, as fields of its row."""
        return {
            "estimated_cost_usd": self.training_usd,
            "estimated_evaluation_usd": self.evaluation_usd,
            "estimated_minutes": self.minutes,
        }

    def over(self, limit_usd: Decimal) -> str | None:
        """Why a run of these costs has to be confirmed, whatever is left of the month's budget."""
        if (asked := self.asked_usd) is None:
            return UNKNOWN_IMAGES.format(self.uncounted_images) if self.uncounted_images else UNKNOWN_PRICE
        if asked <= limit_usd:
            return None
        sums = f"{usd(asked)}{' with its evaluation' if self.evaluation_usd else ''}"
        return f"A confirmation: the estimate of {sums} is above the limit of {usd(limit_usd)} for one run."


def costs_of(run: ControlledRun, export: Export, offer: Offer | None, *, is_first: bool) -> Costs:
    """What training on an export costs, and what asking its test rows costs afterwards."""
    train = export.files[Split.TRAIN]
    billable = billable_of(offer, train.examples, train.tokens, train.images, run.hyperparameters)
    minutes, is_priced = minutes_of(offer, billable), training_cost(offer, 1) is not None
    return Costs(
        training_usd=billable.cost(offer),
        evaluation_usd=evaluation_cost(export, offer, is_first=is_first),
        minutes=minutes.high if minutes else None,
        uncounted_images=(train.images or NO_IMAGES).images if billable.images is None and is_priced else 0,
    )


def reserving(run: ControlledRun, costs: Costs, now: datetime) -> ControlledRun:
    """The run with what is held for it; one that holds something already keeps that, and its month."""
    counted = run.model_copy(update=costs.fields)
    if run.reserved_month:
        return counted
    if (asked := costs.asked_usd) is None:
        return counted.noting(UNCOUNTED)
    return counted.model_copy(update={"reserved_usd": asked, "reserved_month": month_of(now)}) if asked else counted


def with_images_counted(export: Export, objects: Objects) -> Export:
    """An export whose images are counted; those of one that is older than the count are by reading its files."""
    files = {
        split: file if file.images is not None or split == Split.VALIDATION else _counted(file, objects)
        for split, file in export.files.items()
    }
    return export.model_copy(update={"files": files})


def _counted(file: ExportFile, objects: Objects) -> ExportFile:
    return file.model_copy(update={"images": images_in(objects.lines(file.key))})
