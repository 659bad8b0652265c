"""Optimistic retries: a write that somebody else overtook is tried anew on what is there now."""

from collections.abc import Callable
from typing import TypeVar

from tuneloop.domain.core.errors import Outdated, Stale

E = TypeVar("E")
T = TypeVar("T")
# Each try that fails means that another writer got through, so this many lose only to as many writers of one row within
# milliseconds. The busiest rows are a dataset's, where deliveries of posts meet, and a month's budget.
TRIES = 20


def retry_stale(attempt: Callable[[], T], what: str) -> T:
    """Call `attempt`, which reads and writes, until it doesn't raise Stale; after `TRIES` times raise Stale.

    `what` is the subject of that error's sentence ("… is changing too fast"). Outdated is passed on at once: what the
    attempt decided on is gone, and reading anew would not help.
    """
    for _ in range(TRIES):
        try:
            return attempt()
        except Outdated:
            raise
        except Stale:
            continue
    raise Stale(f"{what} is changing too fast; try again.")


def retry_from(seen: E, read: Callable[[], E], write: Callable[[E], T], what: str) -> T:
    """Write on the entity as it was `seen`; where that is Stale, on what `read` gives, tried as by `retry_stale`.

    This saves the first read, which is rarely needed: most writes meet no rival.
    """
    try:
        return write(seen)
    except Outdated:
        raise
    except Stale:
        return retry_stale(lambda: write(read()), what)
