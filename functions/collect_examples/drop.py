"""Taking a drop: from an object's key to the row that accounts for it."""

from collections.abc import Callable
from datetime import datetime, timedelta

from tuneloop.domain.datasets import Dataset, Drop, DropStatus, parse_drop_path
from tuneloop.domain.errors import NotFound
from tuneloop.domain.examples import Problem, Split
from tuneloop.domain.ids import derived_id
from tuneloop.store.datasets import Datasets
from tuneloop.store.tenants import Tenants

Register = Callable[[str, str], Dataset]
LONGEST_READING = timedelta(minutes=30)
UNREADABLE = Problem(
    line=0,
    path="$",
    code="unreadable",
    message="The file could not be read to its end, several times. Is it still there, and plain JSONL? Drop it again.",
)


def take(
    key: str, content: str, *, tenants: Tenants, datasets: Datasets, register: Register, now: datetime
) -> tuple[Drop, Split | None]:
    """The row of a drop, known by its key and `content` (version or ETag), and the split that its path names.

    The dataset is registered if need be; the tenant must exist.
    """
    path = parse_drop_path(key)
    if not tenants.exists(path.tenant):
        raise NotFound("The tenant in the drop's path does not exist.", param="tenant", code="unknown_tenant")
    register(path.tenant, path.dataset)
    drop_id = derived_id("drop", key, content)
    if found := datasets.find_drop(path.tenant, path.dataset, drop_id):
        return found, path.split
    drop = Drop(id=drop_id, tenant=path.tenant, dataset=path.dataset, object=key, created_at=now)
    return datasets.start_drop(drop), path.split


def give_up(*, datasets: Datasets, now: datetime) -> int:
    """End drops that have been read for longer than any reader lives; tells how many."""
    dead = [drop for drop in datasets.reading() if now - drop.created_at > LONGEST_READING]
    for drop in dead:
        ended = {"status": DropStatus.FAILED, "problem_count": 1, "problems": [UNREADABLE], "finished_at": now}
        datasets.save_drop(drop.model_copy(update=ended))
    return len(dead)
