"""Collecting posts: all that one delivery of the queue brings for a dataset becomes one segment of it.

Segment, revision and the ends of its posts are one transaction. Whoever dies before it has changed nothing, and after
it finds every post collected; so a repetition, of whatever other messages it is made up, adds nothing twice.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from tuneloop.domain.chat.examples import Example, Problem, read_example
from tuneloop.domain.core.errors import Stale
from tuneloop.domain.core.limits import SEGMENT_BYTES
from tuneloop.domain.datasets.datasets import Drop, DropStatus, OnInvalid, Segment
from tuneloop.domain.datasets.erasures import Erased
from tuneloop.domain.datasets.records import Record
from tuneloop.store.objects.bucket import Objects
from tuneloop.store.objects.drop_reader import Clock, DropReader
from tuneloop.store.objects.segments import folder_of, write_collected
from tuneloop.store.objects.stored_lines import EncodedLine, without_erased
from tuneloop.store.repositories.datasets import Datasets
from tuneloop.store.repositories.erasures import Erasures
from tuneloop.store.repositories.posts import NOT_COLLECTED, UNREAD, posted_key
from tuneloop.validation.line_parser import json_records

TRIES = 20
MOST_POSTS = 90  # of the hundred actions of a transaction (DynamoDB, read 2026-11)


class Post(NamedTuple):
    """A post as it is to end, and the lines that it adds."""

    drop: Drop
    lines: list[EncodedLine]

    @property
    def bytes(self) -> int:
        """How much it adds to a segment."""
        return sum(len(line.text) for line in self.lines)


def read_post(place: tuple[str, str], drop: str, *, datasets: Datasets, objects: Objects, clock: Clock) -> Post | None:
    """What a post comes to; None where it ended before.

    Its lines were checked when they came and were taken: one that fails all the same is told, and leaves the others.
    """
    posted = datasets.drop(*place, drop)
    if posted.status not in UNREAD:
        return None
    reader = DropReader(OnInvalid.SKIP, clock)
    lines = list(reader.lines_of(objects.lines(posted_key(posted)), json_records, _as_checked))
    return Post(reader.finished_drop(posted, clock()), lines if reader.is_usable else [])


def portions(posts: Iterable[Post]) -> Iterable[list[Post]]:
    """Posts in portions that make a segment and a transaction each."""
    held: list[Post] = []
    size = 0
    for post in posts:
        more = post.bytes
        if held and (size + more > SEGMENT_BYTES or len(held) == MOST_POSTS):
            yield held
            held, size = [], 0
        held.append(post)
        size += more
    if held:
        yield held


def add_posts(
    posts: list[Post], *, datasets: Datasets, objects: Objects, erasures: Erasures, clock: Clock
) -> list[Drop]:
    """Add a portion of one dataset's posts; gives those that ended by this and not by somebody else."""
    place = posts[0].drop.place
    erased = erasures.after(*place, 0)
    segment = _segment(posts, erased, objects, clock)
    for _ in range(TRIES):
        try:
            datasets.add_posts(segment, [post.drop for post in posts])
        except Stale:  # the dataset changed, a post was given up, or somebody else who got its message was faster
            still_open = [post for each in posts if (post := _reopened(each, datasets))]
            if not still_open:
                return []
            known, erased = erased, erasures.after(*place, 0)
            if len(still_open) < len(posts) or known.latest < erased.latest:
                segment = _segment(still_open, erased, objects, clock)
            posts = still_open
        else:
            return [post.drop for post in posts]
    raise Stale("The dataset is changing too fast to add posts; try again.")


def give_up_post(place: tuple[str, str], drop: str, *, datasets: Datasets, now: datetime) -> None:
    """End a post that could not be collected in all the tries of its message, which is kept as a dead letter."""
    posted = datasets.drop(*place, drop)
    if posted.status == DropStatus.READING:
        datasets.save_drop(posted.given_up(NOT_COLLECTED, now))


def _segment(posts: list[Post], erased: Erased, objects: Objects, clock: Clock) -> Segment | None:
    lines = list(without_erased((line for post in posts for line in post.lines), erased))
    folder = folder_of(*posts[0].drop.place)
    return write_collected(lines, erased, folder, objects, clock()) if lines else None


def _reopened(post: Post, datasets: Datasets) -> Post | None:
    """The post as it may be tried again; None where somebody else ended it."""
    current = datasets.drop(*post.drop.place, post.drop.id)
    return post._replace(drop=post.drop.model_copy(update={"seq": current.seq})) if current.status in UNREAD else None


def _as_checked(record: Record) -> Example | list[Problem]:
    return list(record.problems) or read_example(record.row, record.line)
