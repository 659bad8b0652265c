"""Missed drops: the sweep finds files of which no event was heard, and ends drops whose reader died.

S3 says of nearly every object that it came, and nearly always within seconds; the sweep looks after the rest. A file
is known by its version or, where the event named none, by its ETag. Where there are more files than a sweep has time to
look after, each begins at another place among them, so that none is always left out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile

from collect_examples.ingest import CollectFile
from tuneloop.domain.chat.examples import Problem
from tuneloop.domain.core.errors import InvalidInput
from tuneloop.domain.core.ids import unit_interval
from tuneloop.domain.core.limits import UNSEEN_FOR_AT_MOST
from tuneloop.domain.datasets.drops import Drop, drop_id, parse_drop_path
from tuneloop.observability import count, logger
from tuneloop.runtime.best_effort import for_each
from tuneloop.store.objects.bucket import ListedObject, Objects
from tuneloop.store.queues import Queue
from tuneloop.store.repositories.datasets import Datasets
from tuneloop.store.repositories.posts import NOT_COLLECTED, POSTED

# The rate of the schedule that wakes the sweep: by it each sweep begins at another file.
EVERY_S = 300
# Of the function's 300 s: nearly all of them. A sweep that has less left begins no second file, since one that runs out
# of time is rejected for good.
ANOTHER_S = 270
# What a sweep has left at least when it has listed what there is, so that the first file has its half of the time.
LISTING_S = 210
# Half of the function's time: with less left a sweep begins no file, and looks no further.
FIRST_S = 150
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


@dataclass(frozen=True)
class CollectMissedFiles:
    """Collects files of which no row tells though they have lain in `incoming/` for `unseen_after_s` seconds."""

    datasets: Datasets
    objects: Objects
    collect_file: CollectFile
    unseen_after_s: float
    remaining_s: Callable[[], float]

    def collect(self, now: datetime) -> None:
        """Collect the missed files, one after the other while there is time for another.

        One that needs longer than it gets is rejected for good, so it gets as much as one that an event tells of, or
        waits for the next sweep. Only the first is begun with less: else none might ever be where looking takes long.
        """
        least_s = FIRST_S

        def collect_if_missed(file: ListedObject) -> None:
            """Collect a file that no drop accounts for; every later one needs more time left."""
            nonlocal least_s
            if not self._is_accounted_for(file):
                count("DropsRecovered")
                least_s = ANOTHER_S
                self.collect_file.collect(file.key, file.version, file.version, self.remaining_s())

        recent = self.recent_files(now)
        for_each(takewhile(lambda _: self.remaining_s() > least_s, recent), collect_if_missed)

    def recent_files(self, now: datetime) -> list[ListedObject]:
        """The files that came so long but less than a day ago, as far as they are listed in time."""
        recent: list[ListedObject] = []
        for file in self.objects.versions("incoming/"):
            if file.size and timedelta(seconds=self.unseen_after_s) <= now - file.modified_at < UNSEEN_FOR_AT_MOST:
                recent.append(file)
            if self.remaining_s() <= LISTING_S:
                logger.warning("incoming/ holds more than can be listed: the files behind are not looked after")
                break
        start = int(len(recent) * unit_interval("sweep", now.timestamp() // EVERY_S))
        return recent[start:] + recent[:start]

    def _is_accounted_for(self, file: ListedObject) -> bool:
        """Whether there is a row of the file: a drop, or the note that it is nobody's."""
        ids = [drop_id(file.key, content) for content in (file.version, file.etag)]
        if any(self.datasets.is_refused(identity) for identity in ids):
            return True
        try:
            path = parse_drop_path(file.key)
        except InvalidInput:
            return False
        return any(self.datasets.find_drop(path.tenant, path.dataset, identity) for identity in ids)


@dataclass(frozen=True)
class GiveUpDrops:
    """Ends drops that nobody reads any more."""

    datasets: Datasets
    queue: Queue

    def give_up(self, now: datetime) -> int:
        """End drops that were read for longer than readers live, but for posts that still wait; returns how many."""
        late = [drop for drop in self.datasets.open_drops() if now - drop.created_at > LONGEST_READING]
        posts = {drop.id for drop in late if drop.object in POSTED}
        recent = {drop.id for drop in late if drop.id in posts and now - drop.created_at <= LONGEST_WAITING}
        waiting = recent if recent and self.queue.has_waiting() else set()
        dead = [drop for drop in late if drop.id not in waiting]

        def end(drop: Drop) -> None:
            """Store that a drop is given up, and why."""
            self.datasets.save_drop(drop.given_up(NOT_COLLECTED if drop.id in posts else UNREADABLE, now))

        for_each(dead, end)
        return len(dead)
