"""Where a dataset is trained: a provider that the stage knows, and a base model of that provider by its dated name."""

from typing import TypeVar

from tuneloop.domain.core.errors import InvalidInput
from tuneloop.domain.datasets.datasets import Dataset, DatasetChange, OnDrop
from tuneloop.providers.catalog import dated_name, is_free
from tuneloop.providers.registry import KnownProviders

C = TypeVar("C", bound=DatasetChange)


def trained_at(change: C, dataset: Dataset | None, known: KnownProviders) -> C:
    """The change with the base model's dated name, and with drops that collect where training is to cost from now on.

    Conflict where there is no such provider; InvalidInput where another one comes without a base model of its own.
    Whether the provider has that base model is looked at where a run is asked for: this function may ask no provider.
    """
    before = (dataset and dataset.provider) or known.default
    at = known.require(change.provider) if change.provider else before
    if at != before and change.base_model is None:
        message = f"base_model: name one of {at}'s; the one that is set is of {before}."
        raise InvalidInput(message, param="base_model", code="missing")
    if change.base_model is None:
        return change
    base_model = dated_name(at, change.base_model)
    changed: dict[str, object] = {"base_model": base_model}
    if dataset and (at, base_model) != (before, dataset.base_model) and not is_free(at, base_model):
        changed["on_drop"] = change.on_drop or OnDrop.COLLECT
    return change.model_copy(update=changed)
