"""Datasets: made by the first drop or post of a name, or by hand, and set to a provider and a base model of it."""

from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from collect_examples.views import NewDataset
from tuneloop.domain.core.errors import Conflict, InvalidInput
from tuneloop.domain.core.ids import digest
from tuneloop.domain.datasets.datasets import Dataset, DatasetChange, OnDrop
from tuneloop.domain.serving.models import new_model
from tuneloop.providers.catalog import dated_name, is_free
from tuneloop.providers.registry import KnownProviders
from tuneloop.store.repositories.datasets import Datasets
from tuneloop.store.repositories.models import Models
from tuneloop.store.retry import retry_stale

C = TypeVar("C", bound=DatasetChange)
# Sixteen hex digits, 64 bits: a dataset's salt has no secret to keep, it only keeps the splits of two datasets apart.
SALT_DIGITS = 16


@dataclass(frozen=True)
class EnsureDataset:
    """Makes datasets with their models; provider and base model are the stage's own, for who names none."""

    datasets: Datasets
    models: Models
    provider: str
    base_model: str

    def ensure(self, tenant: str, new: NewDataset, now: datetime) -> Dataset:
        """The dataset of that name, made with its model, version 0 and deployment if there is none yet.

        Unless told otherwise its drops lead to training where training is known to be free, and to nothing elsewhere.
        """
        provider, base_model = new.provider or self.provider, new.base_model or self.base_model

        def ensure() -> Dataset:
            """Stale where dataset or model were made by somebody else in between."""
            if dataset := self.datasets.find(tenant, new.id):
                return dataset
            made = Dataset(
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
            self.datasets.create(made, None if has_model else new_model(tenant, new.id, provider, base_model, now))
            return made.model_copy(update={"seq": 1})

        return retry_stale(ensure, f"Dataset {new.id}")


@dataclass(frozen=True)
class ConfigureDataset:
    """Makes and changes datasets as their owner asks."""

    datasets: Datasets
    providers: KnownProviders
    ensure_dataset: EnsureDataset

    def create(self, tenant: str, new: NewDataset, now: datetime) -> Dataset:
        """Make a dataset and the model of its name; Conflict where there is one with other settings."""
        new = resolve_base_model(new, None, self.providers)
        dataset = self.ensure_dataset.ensure(tenant, new, now)
        for name in sorted(new.model_fields_set - {"id"}):
            if dataset != dataset.with_settings(DatasetChange.model_validate({name: getattr(new, name)}), now):
                raise Conflict(f"Dataset {new.id} exists with another {name}; PATCH it to change that.", param="id")
        return dataset

    def change(self, tenant: str, name: str, change: DatasetChange, now: datetime) -> Dataset:
        """Change a dataset's settings."""
        dataset = self.datasets.get(tenant, name)
        changed = dataset.with_settings(resolve_base_model(change, dataset, self.providers), now)
        self.datasets.save(changed)
        return changed


def resolve_base_model(change: C, dataset: Dataset | None, providers: KnownProviders) -> C:
    """The change with the base model's dated name, and with drops that collect where training is to cost from now on.

    Conflict where there is no such provider; InvalidInput where another one comes without a base model of its own.
    Whether the provider has that base model is looked at where a run is asked for: this function may ask no provider.
    """
    before = (dataset and dataset.provider) or providers.default
    provider = providers.require(change.provider) if change.provider else before
    if provider != before and change.base_model is None:
        message = f"base_model: name one of {provider}'s; the one that is set is of {before}."
        raise InvalidInput(message, param="base_model", code="missing")
    if change.base_model is None:
        return change
    base_model = dated_name(provider, change.base_model)
    changed: dict[str, object] = {"base_model": base_model}
    is_other = dataset and (provider, base_model) != (before, dataset.base_model)
    if is_other and not is_free(provider, base_model):
        changed["on_drop"] = change.on_drop or OnDrop.COLLECT
    return change.model_copy(update=changed)
