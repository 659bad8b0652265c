"""Sunsets: the dates until which base models and the models trained from them are served, and when to announce them.

A date from the provider's own list counts before the catalog's. A version's end is announced once for each threshold of
days that it comes within, and again if the date changes.
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
    """The shutdown dates that a provider itself announces, by model, and when its list was read."""

    provider: Name
    models: dict[str, date] = {}
    read_at: datetime


class Shutdown(NamedTuple):
    """The date of a shutdown, and its source."""

    on: date
    source: str


def shutdown_of(names: Iterable[str], offer: Offer | None, announced: Shutdowns | None) -> Shutdown | None:
    """The shutdown of a model that has any of these names, the first name first; None if none is announced."""
    if announced:
        for name in names:
            if name in announced.models:
                return Shutdown(announced.models[name], f"the provider's own list, read {announced.read_at:%Y-%m-%d}")
    if offer and offer.shutdown_date:
        return Shutdown(offer.shutdown_date, offer.shutdown_source or offer.price_source)
    return None


def with_announced_shutdown(offer: Offer | None, base_model: str, announced: Shutdowns | None) -> Offer | None:
    """The offer with the shutdown that its provider announces; for an unlisted model, an offer of nothing but that."""
    end = shutdown_of([base_model], offer, announced)
    if end is None or announced is None:
        return offer
    update = {"shutdown_date": end.on, "shutdown_source": end.source}
    if offer is None:
        return Offer(price_date=announced.read_at.date(), price_source="none", **update)
    return offer.model_copy(update=update)


def threshold_of(days_left: int) -> int | None:
    """The smallest threshold, in days, within which a shutdown lies; None if it is further away, or past."""
    return None if days_left < 0 else next((days for days in THRESHOLDS if days_left <= days), None)


def due_mark(version: Version, end: Shutdown | None, today: date) -> SunsetMark | None:
    """The mark of the threshold that is to be announced for a version; None if it was announced or none is near."""
    if end is None or (threshold := threshold_of((end.on - today).days)) is None:
        return None
    mark = version.sunset
    if mark and mark.shutdown_date == end.on and mark.threshold <= threshold:
        return None
    return SunsetMark(shutdown_date=end.on, threshold=threshold)


def versions_in_use(model: Model, deployment: Deployment) -> list[int]:
    """The versions whose end matters: stable, candidate, previous, and the latest."""
    numbers = {deployment.stable, deployment.candidate, deployment.previous, model.latest_version}
    return sorted(number for number in numbers if number is not None)
