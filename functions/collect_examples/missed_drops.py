"""Missed drops: the sweep collects files for which no event arrived, and ends drops whose reader died.

S3 announces nearly every object, and nearly always within seconds; the sweep finds the rest. A file is identified by
its version or, if the event named none, by its ETag. If there are more files than a sweep has time for, each sweep
begins at another place in the list, so that no file is always left out.
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

# The rate of the schedule that wakes the sweep: the number of the period decides at which file a sweep begins.
SWEEP_PERIOD_S = 300
# Seconds that must be left to begin another file after the first: nearly all of the function's 300, because a file that
# runs out of time is rejected for good. So usually a second file is begun only if the first one was read at once.
NEXT_FILE_NEEDS_S = 270
# Seconds at which listing stops, so that the first file still has half of the function's time when it is found.
LISTING_LEAVES_S = 210
# Seconds that must be left to begin the first file, half of the function's time; with less the sweep ends.
FIRST_FILE_NEEDS_S = 150
# Six times the time-out of the function that reads a file: by then every one of its tries is over.
LONGEST_READING = timedelta(minutes=30)
# A post's message has all its tries within a quarter of an hour once it is first delivered, but may wait for that while
# the stage is stopped or behind a backlog. While the queue holds messages, a post may be among them for six hours; then
# it is given up, so that its sender sees it.
LONGEST_WAITING = timedelta(hours=6)
UNREADABLE = Problem(
    line=0,
    path="$",
    code="unreadable",
    message="The file could not be read to its end, several times. Is it still there? Drop it again.",
)


@dataclass(frozen=True)
class CollectMissedFiles:
    """Collects files that have been under `incoming/` for `unseen_after_s` seconds without a row in the table."""

    datasets: Datasets
    objects: Objects
    collect_file: CollectFile
    unseen_after_s: float
    remaining_s: Callable[[], float]

    def collect(self, now: datetime) -> None:
        """Collect the missed files one after the other, while there is time for another.

        A file that runs out of time is rejected for good, so it waits for the next sweep unless it gets about as much
        time as one that an event announces. Only the first file is begun with less: otherwise, where listing takes
        long, no file might ever be begun.
        """
        least_s = FIRST_FILE_NEEDS_S

        def collect_if_missed(file: ListedObject) -> None:
            """Collect a file that no row accounts for, and raise the time that must be left for the next one."""
            nonlocal least_s
            if not self._is_accounted_for(file):
                count("DropsRecovered")
                least_s = NEXT_FILE_NEEDS_S
                self.collect_file.collect(file.key, file.version, file.version, self.remaining_s())

        recent = self.recent_files(now)
        for_each(takewhile(lambda _: self.remaining_s() > least_s, recent), collect_if_missed)

    def recent_files(self, now: datetime) -> list[ListedObject]:
        """The files that are older than `unseen_after_s` but younger than a day, as far as there is time to list them.

        The list begins at another file in each period of the schedule.
        """
        recent: list[ListedObject] = []
        for file in self.objects.versions("incoming/"):
            if file.size and timedelta(seconds=self.unseen_after_s) <= now - file.modified_at < UNSEEN_FOR_AT_MOST:
                recent.append(file)
            if self.remaining_s() <= LISTING_LEAVES_S:
                logger.warning("incoming/ holds more than can be listed: the files behind are not looked after")
                break
        start = int(len(recent) * unit_interval("sweep", now.timestamp() // SWEEP_PERIOD_S))
        return recent[start:] + recent[:start]

    def _is_accounted_for(self, file: ListedObject) -> bool:
        """Whether the table has a row for the file: a drop, or the note that no tenant owns its path."""
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
    """Ends drops whose reader has died."""

    datasets: Datasets
    queue: Queue

    def give_up(self, now: datetime) -> int:
        """End drops that are open for longer than any reader lives, except posts that may still wait in the queue.

        Returns the number of drops given up.
        """
        overdue = [drop for drop in self.datasets.open_drops() if now - drop.created_at > LONGEST_READING]
        posts = {drop.id for drop in overdue if drop.object in POSTED}
        recent = {drop.id for drop in overdue if drop.id in posts and now - drop.created_at <= LONGEST_WAITING}
        waiting = recent if recent and self.queue.has_waiting() else set()
        abandoned = [drop for drop in overdue if drop.id not in waiting]

        def end(drop: Drop) -> None:
            """Store that a drop is given up, with the problem that its user reads."""
            self.datasets.save_drop(drop.with_failure(NOT_COLLECTED if drop.id in posts else UNREADABLE, now))

        for_each(abandoned, end)
        return len(abandoned)
