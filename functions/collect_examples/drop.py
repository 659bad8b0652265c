"""Taking a drop: from an object's key to the row that accounts for it, or to the note that it is nobody's."""

from collections.abc import Callable
from datetime import datetime, timedelta

from tuneloop.domain.chat.examples import Problem, Split
from tuneloop.domain.core.errors import InvalidInput, NotFound
from tuneloop.domain.datasets.datasets import Dataset, Drop
from tuneloop.domain.datasets.drop_paths import DropPath, RefusedDrop, drop_id, parse_drop_path
from tuneloop.runtime.best_effort import for_each
from tuneloop.store.queues import Queue
from tuneloop.store.repositories.datasets import Datasets
from tuneloop.store.repositories.posts import NOT_COLLECTED, POSTED
from tuneloop.store.repositories.tenants import Tenants

Register = Callable[[str, str], Dataset]
# Six times as long as the function that reads a file lives: by then every one of its tries is over.
LONGEST_READING = timedelta(minutes=30)
# A post's message has its tries within a quarter of an hour once it is read, but may have to wait for that: while the
# stage is stopped, or behind a backlog. Where others wait, it may be one of them for so long; then it is shown.
LONGEST_WAITING = timedelta(hours=6)
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


def give_up(*, datasets: Datasets, queue: Queue, now: datetime) -> int:
    """End drops that have been read for longer than any reader lives, but for posts that still wait; tells how many."""
    late = [drop for drop in datasets.reading() if now - drop.created_at > LONGEST_READING]
    posts = {drop.id for drop in late if drop.object in POSTED}
    recent = {drop.id for drop in late if drop.id in posts and now - drop.created_at <= LONGEST_WAITING}
    waiting = recent if recent and queue.has_waiting() else set()
    dead = [drop for drop in late if drop.id not in waiting]

    def end(drop: Drop) -> None:
        datasets.save_drop(drop.given_up(NOT_COLLECTED if drop.id in posts else UNREADABLE, now))

    for_each(dead, end)
    return len(dead)
