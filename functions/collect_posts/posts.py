"""Collects posts: those that one delivery of the queue brings for a dataset become one segment of the dataset.

One transaction adds segment and revision and ends the posts. A process that dies before it has changed nothing; after
it, every post is found collected. So messages that are delivered again, with whatever others, add nothing twice.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from tuneloop.domain.chat.examples import Example, Problem, read_example
from tuneloop.domain.core.errors import Stale
from tuneloop.domain.core.limits import SEGMENT_BYTES
from tuneloop.domain.datasets.datasets import OnInvalid, Segment
from tuneloop.domain.datasets.drops import Drop, DropStatus
from tuneloop.domain.datasets.erasures import ErasureMarks
from tuneloop.domain.datasets.records import Record
from tuneloop.store.objects.bucket import Objects
from tuneloop.store.objects.drop_reader import Clock, DropReader, count_drop
from tuneloop.store.objects.segments import EncodedLine, folder_of, without_erased, write_collected
from tuneloop.store.repositories.datasets import Datasets
from tuneloop.store.repositories.erasures import Erasures
from tuneloop.store.repositories.posts import NOT_COLLECTED, UNREAD, posted_key
from tuneloop.store.retry import retry_stale
from tuneloop.validation.line_parser import json_records

# DynamoDB takes a hundred actions in a transaction (read 2026-11). Beside the posts of a portion it holds the segment
# and the dataset, and a few are left.
MOST_POSTS = 90


class Post(NamedTuple):
    """A post that was read: its drop as it will be stored at the post's end, and the lines that it adds."""

    drop: Drop
    lines: list[EncodedLine]

    @property
    def bytes(self) -> int:
        """The size in bytes of the lines that the post adds to a segment."""
        return sum(len(line.text) for line in self.lines)


@dataclass(frozen=True)
class CollectPosts:
    """Reads posts and adds them to their dataset, with one segment and one transaction for each portion of them."""

    datasets: Datasets
    objects: Objects
    erasures: Erasures
    clock: Clock

    def read(self, place: tuple[str, str], drop: str) -> Post | None:
        """The post of a drop; None where it has been collected or rejected already.

        Lines were checked when they were accepted, so the others are added where one fails here: it is a problem of the
        drop.
        """
        stored = self.datasets.drop(*place, drop)
        if stored.status not in UNREAD:
            return None
        reader = DropReader(OnInvalid.SKIP, self.clock)
        lines = list(reader.lines_of(self.objects.lines(posted_key(stored)), json_records, _read_posted_example))
        return Post(reader.finished_drop(stored, self.clock()), lines if reader.is_usable else [])

    def add(self, posts: Iterable[Post]) -> None:
        """Add one dataset's posts, and count those that this call ended, not another one."""
        for portion in _portions(posts):
            for drop in self._add_portion(portion):
                count_drop(drop)

    def give_up(self, place: tuple[str, str], drop: str) -> None:
        """End a post as failed after the last try of its message, which becomes a dead letter."""
        stored = self.datasets.drop(*place, drop)
        if stored.status == DropStatus.READING:
            self.datasets.save_drop(stored.with_failure(NOT_COLLECTED, self.clock()))

    def _add_portion(self, posts: list[Post]) -> list[Drop]:
        """Add a portion of one dataset's posts; returns the drops of those that this call ended."""
        place = posts[0].drop.place
        erased = self.erasures.after(*place, 0)
        segment = self._segment(posts, erased)

        def add() -> list[Drop]:
            """Add the posts that are still open; Stale if the dataset changed, or somebody else wrote one of them."""
            nonlocal posts, erased, segment
            try:
                self.datasets.add_posts(segment, [post.drop for post in posts])
            except Stale as error:
                still_open = [reopened for post in posts if (reopened := self._reopened(post))]
                if not still_open:
                    return []
                erased_before, erased = erased, self.erasures.after(*place, 0)
                if len(still_open) < len(posts) or erased_before.latest < erased.latest:
                    segment = self._segment(still_open, erased)
                posts = still_open
                raise Stale(error.message) from error  # not Outdated: erased lines are left out of the segment by now
            return [post.drop for post in posts]

        return retry_stale(add, f"Dataset {place[1]}")

    def _segment(self, posts: list[Post], erased: ErasureMarks) -> Segment | None:
        """Write the segment of some posts' examples; None where all of them are erased."""
        lines = list(without_erased((line for post in posts for line in post.lines), erased))
        folder = folder_of(*posts[0].drop.place)
        return write_collected(lines, erased, folder, self.objects, self.clock()) if lines else None

    def _reopened(self, post: Post) -> Post | None:
        """The post with its drop's current `seq`, to be tried again; None where somebody else ended it."""
        stored = self.datasets.drop(*post.drop.place, post.drop.id)
        return post._replace(drop=post.drop.model_copy(update={"seq": stored.seq})) if stored.status in UNREAD else None


def _portions(posts: Iterable[Post]) -> Iterator[list[Post]]:
    """Posts in portions, each of which fits into one segment and one transaction."""
    portion: list[Post] = []
    size = 0
    for post in posts:
        if portion and (size + post.bytes > SEGMENT_BYTES or len(portion) == MOST_POSTS):
            yield portion
            portion, size = [], 0
        portion.append(post)
        size += post.bytes
    if portion:
        yield portion


def _read_posted_example(record: Record) -> Example | list[Problem]:
    """A line's example, or its problems, by the rules that it passed when it was posted."""
    return list(record.problems) or read_example(record.row, record.line)
