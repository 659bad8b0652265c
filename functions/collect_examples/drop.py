"""Taking a drop: from an object's key to the row that accounts for it, or to the note that it is nobody's."""

from collections.abc import Callable
from datetime import datetime, timedelta

from tuneloop.domain.datasets import Dataset, Drop, DropStatus
from tuneloop.domain.drop_paths import DropPath, RefusedDrop, drop_id, parse_drop_path
from tuneloop.domain.errors import InvalidInput, NotFound
from tuneloop.domain.examples import Problem, Split
from tuneloop.store.datasets import Datasets
from tuneloop.store.tenants import Tenants
from tuneloop.sweeping import each

Register = Callable[[str, str], Dataset]
LONGEST_READING = timedelta(minutes=30)
UNREADABLE = Problem(
    line=0,
    path="$",
    code="unreadable",
    message="The file could not be read to its end, several times. Is it still there? Drop it again.",
)


def take(
    key: str, content: str, *, tenants: Tenants, datasets: Datasets, register: Register, now: datetime
) -> tuple[Drop, Split | None] | None:
    """The row of a drop, known by its key and `content` (version or ETag), and the split that its path names.

    The dataset is registered if need be; the tenant must exist. None where the path names nobody's dataset: that leaves
    a note for the operator and nothing else.
    """
    try:
        path = _owned(key, tenants)
    except (InvalidInput, NotFound) as error:
        refused = {"object": key, "code": error.code, "message": error.message, "created_at": now}
        datasets.refuse(RefusedDrop(id=drop_id(key, content), **refused))
        return None
    dataset = register(path.tenant, path.dataset)
    identity = drop_id(key, content)
    if found := datasets.find_drop(path.tenant, path.dataset, identity):
        return found, path.split
    owner = {"tenant": dataset.tenant, "dataset": dataset.id, "template": dataset.template_version}
    drop = Drop(id=identity, object=key, created_at=now, **owner)
    return datasets.start_drop(drop), path.split


def _owned(key: str, tenants: Tenants) -> DropPath:
    path = parse_drop_path(key)
    if not tenants.exists(path.tenant):
        message = "The tenant in the path does not exist. `tuneloop keys create` makes one; then drop the file again."
        raise NotFound(message, param="tenant", code="unknown_tenant")
    return path


def give_up(*, datasets: Datasets, now: datetime) -> int:
    """End drops that have been read for longer than any reader lives; tells how many."""
    dead = [drop for drop in datasets.reading() if now - drop.created_at > LONGEST_READING]
    ended = {"status": DropStatus.FAILED, "problem_count": 1, "problems": [UNREADABLE], "finished_at": now}
    each(dead, lambda drop: datasets.save_drop(drop.model_copy(update=ended)))
    return len(dead)
