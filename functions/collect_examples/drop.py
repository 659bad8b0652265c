"""Taking a drop: from an object's key to the row that accounts for it."""

from collections.abc import Callable
from datetime import datetime

from tuneloop.domain.datasets import Dataset, Drop, parse_drop_path
from tuneloop.domain.errors import NotFound, Stale
from tuneloop.domain.examples import Split
from tuneloop.domain.ids import derived_id
from tuneloop.store.datasets import Datasets
from tuneloop.store.tenants import Tenants

Register = Callable[[str, str], Dataset]


def take(
    key: str, etag: str, *, tenants: Tenants, datasets: Datasets, register: Register, now: datetime
) -> tuple[Drop, Split | None]:
    """The row of the content (`etag`) that lies at a key, and the split that its path names.

    The dataset is registered if need be; the tenant must exist.
    """
    path = parse_drop_path(key)
    if not tenants.exists(path.tenant):
        raise NotFound("The tenant in the drop's path does not exist.", param="tenant", code="unknown_tenant")
    register(path.tenant, path.dataset)
    drop_id = derived_id("drop", key, etag)
    if found := datasets.find_drop(path.tenant, path.dataset, drop_id):
        return found, path.split
    drop = Drop(id=drop_id, tenant=path.tenant, dataset=path.dataset, object=key, created_at=now)
    try:
        return datasets.save_drop(drop), path.split
    except Stale:  # the same event was delivered twice
        return datasets.drop(path.tenant, path.dataset, drop_id), path.split
