"""Matching: one decision on all examples that match a filter, as they stood at the revision that somebody looked at.

They are decided on a thousand at a time while there is time; the answer then says after which example to go on.
"""

from collections.abc import Callable
from itertools import islice

from review_examples.review import Reviewing, Wish
from review_examples.views import Change
from tuneloop.domain.core.errors import InvalidInput
from tuneloop.domain.core.limits import REVIEWS_AT_ONCE
from tuneloop.domain.datasets.example_filter import ExampleFilter
from tuneloop.store.objects.search import Hit
from tuneloop.store.repositories.contents import Contents
from tuneloop.store.repositories.datasets import Datasets

NEEDED_S = 8.0  # to decide on a thousand more, and to answer


def review_matching(
    tenant: str,
    name: str,
    wanted: ExampleFilter,
    change: Change,
    revision: int,
    after: str,
    *,
    reviewing: Reviewing,
    datasets: Datasets,
    contents: Contents,
    remaining_s: Callable[[], float],
    check: Callable[[], None] = lambda: None,
) -> str | None:
    """Decide on the examples that match, beginning after an id; gives the id after which there are more."""
    wanted.require_range()
    dataset = datasets.get(tenant, name)
    reviewing.revision = dataset.revision
    if revision > reviewing.revision:
        raise InvalidInput("`revision` must be one that the dataset has had, as a listing names it.", param="revision")
    with contents.found(tenant, name, revision, wanted, check) as found:
        matching = (each for each in found if each.id > after and not _is_so(each, change))
        while some := list(islice(matching, REVIEWS_AT_ONCE)):
            reviewing.decide([_wish(each, change) for each in some], known_at=dataset.erasures)
            if remaining_s() < NEEDED_S:
                return some[-1].id if next(matching, None) else None
    return None


def _wish(hit: Hit, change: Change) -> Wish:
    return Wish(hit.id, hit.decision.number, **change.model_dump())


def _is_so(hit: Hit, change: Change) -> bool:
    """Whether nothing would change."""
    stored, decision = hit.stored, hit.decision
    quality = stored.quality if decision.quality is None else decision.quality
    return (
        change.status in (None, decision.status)
        and change.quality in (None, quality)
        and change.category in (None, decision.category or stored.category)
    )
