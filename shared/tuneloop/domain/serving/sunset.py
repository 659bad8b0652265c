"""Sunsets: until when a base model and what was trained from it are served, and who is told of the end, how often.

A provider's own word counts before the catalog's. Each version is told of once for each threshold that it has come
below, and anew where the date has changed.
"""

from collections.abc import Iterable
from datetime import date, datetime
from typing import NamedTuple

from pydantic import BaseModel

from tuneloop.domain.core.ids import Name
from tuneloop.domain.serving.models import Deployment, Model, SunsetMark, Version
from tuneloop.domain.training.model_offers import Offer

THRESHOLDS = (7, 30, 60, 90)  # days before a shutdown: time to train a successor first, then ever more urgent


class Shutdowns(BaseModel):
    """The ends that a provider itself has announced, by model, and when it was last asked."""

    provider: Name
    models: dict[str, date] = {}
    read_at: datetime


class Shutdown(NamedTuple):
    """When something is shut down, and who says so."""

    on: date
    source: str


def shutdown_of(names: Iterable[str], offer: Offer | None, announced: Shutdowns | None) -> Shutdown | None:
    """The end of a model of any of these names, the first of which counts most; None where none is known."""
    if announced:
        for name in names:
            if name in announced.models:
                return Shutdown(announced.models[name], f"the provider's own list, read {announced.read_at:%Y-%m-%d}")
    if offer and offer.shutdown_date:
        return Shutdown(offer.shutdown_date, offer.shutdown_source or offer.price_source)
    return None


def with_announced_shutdown(offer: Offer | None, base_model: str, announced: Shutdowns | None) -> Offer | None:
    """An offer with the end that its provider itself has announced; of an unknown one nothing but that end is known."""
    end = shutdown_of([base_model], offer, announced)
    if end is None or announced is None:
        return offer
    update = {"shutdown_date": end.on, "shutdown_source": end.source}
    if offer is None:
        return Offer(price_date=announced.read_at.date(), price_source="none", **update)
    return offer.model_copy(update=update)


def threshold_of(days_left: int) -> int | None:
    """The smallest threshold, in days, that an end is within; None where it is further away, or past."""
    return None if days_left < 0 else next((days for days in THRESHOLDS if days_left <= days), None)


def due_mark(version: Version, end: Shutdown | None, today: date) -> SunsetMark | None:
    """The mark of the threshold that is to be announced of a version's end; None where it was, or nothing is near."""
    if end is None or (threshold := threshold_of((end.on - today).days)) is None:
        return None
    mark = version.sunset
    if mark and mark.shutdown_date == end.on and mark.threshold <= threshold:
        return None
    return SunsetMark(shutdown_date=end.on, threshold=threshold)


def versions_in_use(model: Model, deployment: Deployment) -> list[int]:
    """The versions that somebody would miss: those that serve, did so before or may soon, and the newest there is."""
    numbers = {deployment.stable, deployment.candidate, deployment.previous, model.latest_version}
    return sorted(number for number in numbers if number is not None)
