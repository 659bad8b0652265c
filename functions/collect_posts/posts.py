"""Collecting posts: all that one delivery of the queue brings for a dataset becomes one segment of it.

Segment, revision and the ends of its posts are one transaction. Whoever dies before it has changed nothing, and after
it finds every post collected; so a repetition, of whatever other messages it is made up, adds nothing twice.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from tuneloop.domain.chat.examples import Example, Problem, read_example
from tuneloop.domain.core.errors import Stale
from tuneloop.domain.core.limits import SEGMENT_BYTES
from tuneloop.domain.datasets.datasets import OnInvalid, Segment
from tuneloop.domain.datasets.drops import Drop, DropStatus
from tuneloop.domain.datasets.erasures import Erased
from tuneloop.domain.datasets.records import Record
from tuneloop.store.objects.bucket import Objects
from tuneloop.store.objects.drop_reader import Clock, DropReader, count_drop
from tuneloop.store.objects.segments import EncodedLine, folder_of, without_erased, write_collected
from tuneloop.store.repositories.datasets import Datasets
from tuneloop.store.repositories.erasures import Erasures
from tuneloop.store.repositories.posts import NOT_COLLECTED, UNREAD, posted_key
from tuneloop.store.retry import retry_stale
from tuneloop.validation.line_parser import json_records

# Beside its posts a portion's transaction holds the segment and the dataset; DynamoDB takes a hundred actions (read
# 2026-11), so that a few are left.
MOST_POSTS = 90


class Post(NamedTuple):
    """A post as it is to end, and the lines that it adds."""

    drop: Drop
    lines: list[EncodedLine]

    @property
    def bytes(self) -> int:
        """The size of the lines that the post adds to a segment."""
        return sum(len(line.text) for line in self.lines)


@dataclass(frozen=True)
class CollectPosts:
    """Reads the posts of a dataset and adds them to it, a segment and a transaction for each portion."""

    datasets: Datasets
    objects: Objects
    erasures: Erasures
    clock: Clock

    def read(self, place: tuple[str, str], drop: str) -> Post | None:
        """A post as it is to end; None where it ended before.

        Its lines were checked when they came and were taken: one that fails all the same is a problem of its own.
        """
        posted = self.datasets.drop(*place, drop)
        if posted.status not in UNREAD:
            return None
        reader = DropReader(OnInvalid.SKIP, self.clock)
        lines = list(reader.lines_of(self.objects.lines(posted_key(posted)), json_records, _as_checked))
        return Post(reader.finished_drop(posted, self.clock()), lines if reader.is_usable else [])

    def add(self, posts: Iterable[Post]) -> None:
        """Add one dataset's posts; counts those that ended by this and not by somebody else."""
        for portion in _portions(posts):
            for drop in self._add_portion(portion):
                count_drop(drop)

    def give_up(self, place: tuple[str, str], drop: str) -> None:
        """End a post that could not be collected in all the tries of its message, which is kept as a dead letter."""
        posted = self.datasets.drop(*place, drop)
        if posted.status == DropStatus.READING:
            self.datasets.save_drop(posted.given_up(NOT_COLLECTED, self.clock()))

    def _add_portion(self, posts: list[Post]) -> list[Drop]:
        """Add a portion of one dataset's posts; returns those that ended by this."""
        place = posts[0].drop.place
        erased = self.erasures.after(*place, 0)
        segment = self._segment(posts, erased)

        def add() -> list[Drop]:
            """Stale, with what is left to add, if the dataset changed, a post was given up or another was faster."""
            nonlocal posts, erased, segment
            try:
                self.datasets.add_posts(segment, [post.drop for post in posts])
            except Stale as error:
                still_open = [reopened for post in posts if (reopened := self._reopened(post))]
                if not still_open:
                    return []
                before, erased = erased, self.erasures.after(*place, 0)
                if len(still_open) < len(posts) or before.latest < erased.latest:
                    segment = self._segment(still_open, erased)
                posts = still_open
                raise Stale(error.message) from error  # not Outdated: what was erased is left out of the segment now
            return [post.drop for post in posts]

        return retry_stale(add, f"Dataset {place[1]}")

    def _segment(self, posts: list[Post], erased: Erased) -> Segment | None:
        """The segment of some posts' examples, written; None where all of them are erased."""
        lines = list(without_erased((line for post in posts for line in post.lines), erased))
        folder = folder_of(*posts[0].drop.place)
        return write_collected(lines, erased, folder, self.objects, self.clock()) if lines else None

    def _reopened(self, post: Post) -> Post | None:
        """The post as it may be tried again; None where somebody else ended it."""
        stored = self.datasets.drop(*post.drop.place, post.drop.id)
        return post._replace(drop=post.drop.model_copy(update={"seq": stored.seq})) if stored.status in UNREAD else None


def _portions(posts: Iterable[Post]) -> Iterator[list[Post]]:
    """Posts in portions that make a segment and a transaction each."""
    held: list[Post] = []
    size = 0
    for post in posts:
        if held and (size + post.bytes > SEGMENT_BYTES or len(held) == MOST_POSTS):
            yield held
            held, size = [], 0
        held.append(post)
        size += post.bytes
    if held:
        yield held


def _as_checked(record: Record) -> Example | list[Problem]:
    """A line's example, by the rules that it passed when it was posted."""
    return list(record.problems) or read_example(record.row, record.line)
