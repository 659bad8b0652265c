"""Registering a dataset: the first drop or post of a name makes it, with the model of the same name."""

from datetime import datetime

from collect_examples.views import NewDataset
from tuneloop.domain.core.errors import Stale
from tuneloop.domain.core.ids import digest
from tuneloop.domain.datasets.datasets import Dataset, OnDrop
from tuneloop.domain.serving.models import new_model
from tuneloop.providers.catalog import is_free
from tuneloop.store.repositories.datasets import Datasets
from tuneloop.store.repositories.models import Models

TRIES = 3


def create_dataset(
    tenant: str, new: NewDataset, *, provider: str, base_model: str, datasets: Datasets, models: Models, now: datetime
) -> Dataset:
    """The dataset of that name, made with its model, version 0 and deployment if there is none yet.

    Unless told otherwise its drops lead to training where training is known to be free, and to nothing elsewhere.
    """
    if found := datasets.find(tenant, new.id):
        return found
    dataset = Dataset(
        tenant=tenant,
        id=new.id,
        model=new.id,
        provider=provider,
        base_model=base_model,
        salt=digest("salt", tenant, new.id)[:16],
        on_drop=OnDrop.TRAIN if is_free(provider, base_model) else OnDrop.COLLECT,
        created_at=now,
    ).with_settings(new, now)
    for _ in range(TRIES):
        taken = models.find(tenant, new.id)
        try:
            datasets.create(dataset, None if taken else new_model(tenant, new.id, provider, base_model, now))
        except Stale:  # dataset or model were made by somebody else in between
            if found := datasets.find(tenant, new.id):
                return found
        else:
            return dataset.model_copy(update={"seq": 1})
    raise Stale(f"Dataset {new.id} could not be made; try again.", param="dataset")
