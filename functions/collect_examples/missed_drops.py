"""Unseen drops: files below `incoming/` of which no event was heard are found by looking there.

S3 says of nearly every object that it came, and nearly always within seconds; the sweep looks after the rest. A file
is known by its version or, where the event named none, by its ETag. Where there are more files than a sweep has time to
look after, each begins at another place among them, so that none is always left out.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from tuneloop.domain.core.errors import InvalidInput
from tuneloop.domain.core.ids import unit_interval
from tuneloop.domain.core.limits import UNSEEN_FOR_AT_MOST
from tuneloop.domain.datasets.drop_paths import drop_id, parse_drop_path
from tuneloop.observability import logger
from tuneloop.store.objects.bucket import ListedVersion, Objects
from tuneloop.store.repositories.datasets import Datasets

EVERY_S = 300  # how often it is looked


def lately_come(after_s: float, *, objects: Objects, now: datetime, goes_on: Callable[[], bool]) -> list[ListedVersion]:
    """The files that came more than `after_s` seconds and less than a day ago, as far as they are listed in time."""
    due: list[ListedVersion] = []
    for found in objects.versions("incoming/"):
        if found.size and timedelta(seconds=after_s) <= now - found.modified_at < UNSEEN_FOR_AT_MOST:
            due.append(found)
        if not goes_on():
            logger.warning("incoming/ holds more than can be listed: the files behind are not looked after")
            break
    start = int(len(due) * unit_interval("sweep", now.timestamp() // EVERY_S))
    return due[start:] + due[:start]


def is_seen(found: ListedVersion, *, datasets: Datasets) -> bool:
    """Whether a row accounts for the file: a drop, or the note that it is nobody's."""
    ids = [drop_id(found.key, content) for content in (found.version, found.etag)]
    if any(datasets.is_refused(identity) for identity in ids):
        return True
    try:
        path = parse_drop_path(found.key)
    except InvalidInput:
        return False
    return any(datasets.find_drop(path.tenant, path.dataset, identity) for identity in ids)
