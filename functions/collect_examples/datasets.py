"""Datasets: made by the first drop or post that names one, or by a request, and configured with a base model."""

from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from collect_examples.views import NewDataset
from tuneloop.domain.core.errors import Conflict, InvalidInput
from tuneloop.domain.core.ids import digest
from tuneloop.domain.datasets.datasets import Dataset, DatasetChange, OnDrop
from tuneloop.domain.serving.models import new_model
from tuneloop.providers.catalog import dated_name, is_free
from tuneloop.providers.registry import ProviderNames
from tuneloop.store.repositories.datasets import Datasets
from tuneloop.store.repositories.models import Models
from tuneloop.store.retry import retry_stale

C = TypeVar("C", bound=DatasetChange)
# Hex digits, 64 bits: a dataset's salt isn't a secret, it only makes the splits of two datasets independent.
SALT_DIGITS = 16


@dataclass(frozen=True)
class EnsureDataset:
    """Makes datasets with their models; `provider` and `base_model` are the stage's own, used if a request has none."""

    datasets: Datasets
    models: Models
    provider: str
    base_model: str

    def ensure(self, tenant: str, new: NewDataset, now: datetime) -> Dataset:
        """The dataset of that name; if there is none, it is made with its model, version 0 and deployment.

        By default its drops lead to training if the provider's training is free, and are only collected otherwise.
        """
        provider, base_model = new.provider or self.provider, new.base_model or self.base_model

        def find_or_create() -> Dataset:
            """Find or make the dataset; Stale if another process made dataset or model in between."""
            if dataset := self.datasets.find(tenant, new.id):
                return dataset
            dataset = Dataset(
                tenant=tenant,
                id=new.id,
                model=new.id,
                provider=provider,
                base_model=base_model,
                salt=digest("salt", tenant, new.id)[:SALT_DIGITS],
                on_drop=OnDrop.TRAIN if is_free(provider, base_model) else OnDrop.COLLECT,
                created_at=now,
            ).with_settings(new, now)
            has_model = self.models.find(tenant, new.id) is not None
            self.datasets.create(dataset, None if has_model else new_model(tenant, new.id, provider, base_model, now))
            return dataset.model_copy(update={"seq": 1})

        return retry_stale(find_or_create, f"Dataset {new.id}")


@dataclass(frozen=True)
class ConfigureDataset:
    """Makes datasets and changes their settings at a caller's request."""

    datasets: Datasets
    providers: ProviderNames
    ensure_dataset: EnsureDataset

    def create(self, tenant: str, new: NewDataset, now: datetime) -> Dataset:
        """Make a dataset and the model of its name; Conflict if the dataset exists with other settings."""
        new = resolve_base_model(new, None, self.providers)
        dataset = self.ensure_dataset.ensure(tenant, new, now)
        for name in sorted(new.model_fields_set - {"id"}):
            if dataset != dataset.with_settings(DatasetChange.model_validate({name: getattr(new, name)}), now):
                raise Conflict(f"Dataset {new.id} exists with another {name}; PATCH it to change that.", param="id")
        return dataset

    def change(self, tenant: str, name: str, change: DatasetChange, now: datetime) -> Dataset:
        """Change a dataset's settings; Stale if another call changes the dataset at the same time."""
        dataset = self.datasets.get(tenant, name)
        changed = dataset.with_settings(resolve_base_model(change, dataset, self.providers), now)
        self.datasets.save(changed)
        return changed


def resolve_base_model(change: C, dataset: Dataset | None, providers: ProviderNames) -> C:
    """The change with the base model's dated name, and with `on_drop` set to `collect` if training will now cost money.

    Conflict if there is no such provider; InvalidInput if another provider comes without a base model of its own.
    Whether the provider has the base model is checked when a run is requested: this function may call no provider.
    """
    provider_before = (dataset and dataset.provider) or providers.default
    provider = providers.require(change.provider) if change.provider else provider_before
    if provider != provider_before and change.base_model is None:
        message = f"base_model: name one of {provider}'s; the one that is set is of {provider_before}."
        raise InvalidInput(message, param="base_model", code="missing")
    if change.base_model is None:
        return change
    base_model = dated_name(provider, change.base_model)
    updates: dict[str, object] = {"base_model": base_model}
    is_other = dataset and (provider, base_model) != (provider_before, dataset.base_model)
    if is_other and not is_free(provider, base_model):
        updates["on_drop"] = change.on_drop or OnDrop.COLLECT
    return change.model_copy(update=updates)
