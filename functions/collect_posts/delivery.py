"""One delivery of the examples queue: each dataset's posts and judgements together, within what one delivery may take.

A message that fails, or that is none of ours, is delivered again and costs the others nothing. One post may end this
process (its memory, its time), and those that came with it come again with it. So from the third try on a post is
collected after all others and alone, in an order that turns with the try: each of its neighbours comes before it once.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256

from collect_posts.judge_feedback import JudgeFeedback
from collect_posts.posts import CollectPosts, Post
from tuneloop.app import utc_now
from tuneloop.domain.core.limits import QUEUE_TRIES, SEGMENT_BYTES
from tuneloop.runtime.entry_point import Batch
from tuneloop.runtime.settle import SettleDatasets, send_settle_reminder
from tuneloop.store.queues import Queue

Place = tuple[str, str]
Messages = dict[str, list[str]]  # by what they name: a post may have been announced twice
# A segment's worth of lines. One core takes in 4 MB a second of very short lines and 10 to 19 of usual ones (measured
# on 2026-12-01), so that the whole takes at most 8 of the 14 seconds that are half of the function's time.
DELIVERY_BYTES = SEGMENT_BYTES
# From this try on a post is collected alone. Two tries together mend what passes by, such as a service that was away;
# an order and its reverse need two of those that are left, and the fifth is another order, for where two posts kill.
# It is odd, as `_turn_of` pairs an odd try with the even one after it.
ALONE_FROM = 3


@dataclass(frozen=True)
class ExamplesQueue:
    """What the messages of the examples queue ask for, and the queue itself, which reminders and more tries go to."""

    posts: CollectPosts
    feedback: JudgeFeedback
    changes: SettleDatasets
    queue: Queue

    def remind(self, place: Place) -> None:
        """Leave a reminder to settle a dataset when its quiet time is over."""
        dataset = self.posts.datasets.get(*place)
        send_settle_reminder(dataset, settle_s=self.changes.settle_s, queue=self.queue)


class Delivery:
    """The messages of one delivery, sorted by what they ask for; what exceeds the delivery's bounds is sent again.

    Giving it back would count as one of its tries, and hide it until it is visible again. A message that is sent again
    carries the tries that it had, so that a post that kills its readers has an end.
    """

    def __init__(self, batch: Batch, examples: ExamplesQueue, remaining_s: Callable[[], float]) -> None:
        self._batch, self._examples, self._remaining_s = batch, examples, remaining_s
        self._least_s = remaining_s() / 2
        self._bytes = 0
        self._tries: dict[str, int] = {}  # by message: those of the messages that it was before are counted too
        self._posts: dict[Place, Messages] = {}
        self._prompts: dict[Place, Messages] = {}
        self._reminders: dict[Place, Messages] = {}

    def work_off(self) -> None:
        """Collect every post that is named, judge what feedback said, settle what is to be, each apart from others."""
        for message, body in self._batch.bodies.items():
            with self._batch.attempt(message):
                self._sort(message, body)
        alone = self._take_alone()
        for place, named in self._posts.items():
            with self._batch.attempt(*_messages_of(named)):
                self._collect(place, self._readable(place, named))
        for place, named in self._prompts.items():
            with self._batch.attempt(*_messages_of(named)):
                self._judge(place, named)
        for place, named in self._reminders.items():
            with self._batch.attempt(*_messages_of(named)):
                self._settle(place, named)
        for number, (place, drop, messages) in enumerate(alone):
            self._collect_alone(place, drop, messages, is_first=number == 0)

    def _sort(self, message: str, body: str) -> None:
        """Put a message to those that ask for the same; ValueError if it asks for nothing that is known here."""
        match content := json.loads(body):
            case {"settle": {"tenant": str(tenant), "dataset": str(dataset)}}:
                asked_for, name = self._reminders, dataset
            case {"collect": {"tenant": str(tenant), "dataset": str(dataset), "drop": str(name)}}:
                asked_for = self._posts
            case {"judge": {"tenant": str(tenant), "dataset": str(dataset), "unit": str(name)}}:
                asked_for = self._prompts
            case _:
                raise ValueError("this queue has no such message")
        self._tries[message] = int(content.get("tries", 0)) + self._batch.tries[message]
        asked_for.setdefault((tenant, dataset), {}).setdefault(name, []).append(message)

    def _take_alone(self) -> list[tuple[Place, str, list[str]]]:
        """Take out the posts that are collected alone, in the order of their turns."""
        turns = []
        for place, named in self._posts.items():
            for drop in [drop for drop, messages in named.items() if self._tries_of(messages) >= ALONE_FROM]:
                messages = named.pop(drop)
                turns.append((_turn_of((*place, drop), self._tries_of(messages)), (place, drop, messages)))
        self._posts = {place: named for place, named in self._posts.items() if named}
        return [post for _, post in sorted(turns)]

    def _collect(self, place: Place, posts: Iterable[Post]) -> None:
        """Add one dataset's posts, and have it settle."""
        self._examples.posts.add(posts)
        self._examples.remind(place)

    def _readable(self, place: Place, named: Messages) -> Iterator[Post]:
        """The posts of one dataset; one that can't be read stays behind, for its own messages."""
        for drop, messages in named.items():
            post = None
            with self._batch.attempt(*messages):
                if self._has_room(messages):
                    post = self._examples.posts.read(place, drop)
            if post:
                self._bytes += post.bytes
                yield post

    def _collect_alone(self, place: Place, drop: str, messages: list[str], *, is_first: bool) -> None:
        """Collect a post that may be what ended its readers; its owner is told if its last try fails too.

        The first of a delivery has its turn however full that is (a post has 4 MiB at most), so none waits for ever.
        """
        tries = self._tries_of(messages)
        with self._batch.attempt(*messages):
            if is_first or self._remaining_s() >= self._least_s:
                post = self._examples.posts.read(place, drop)
                self._collect(place, [post] if post else [])
            elif tries > QUEUE_TRIES:
                raise TimeoutError("a post that had its tries is not sent again, so that it becomes a dead letter")
            else:
                self._send_again(messages)
        if tries >= QUEUE_TRIES and self._batch.has_failed(*messages):
            with self._batch.attempt(*messages):
                self._examples.posts.give_up(place, drop)

    def _judge(self, place: Place, named: Messages) -> None:
        if self._has_room(_messages_of(named)) and self._examples.feedback.judge(*place, list(named), utc_now()):
            self._examples.remind(place)

    def _settle(self, place: Place, named: Messages) -> None:
        if self._has_room(_messages_of(named)):
            self._examples.changes.settle(*place, utc_now())

    def _has_room(self, messages: Iterable[str]) -> bool:
        """Whether there is room for more; if not, these messages are sent again."""
        if self._bytes < DELIVERY_BYTES and self._remaining_s() >= self._least_s:
            return True
        self._send_again(messages)
        return False

    def _send_again(self, messages: Iterable[str]) -> None:
        """Send messages again, each body once, with the tries that they had before this one, which was none."""
        sent: dict[str, int] = {}
        for message in messages:
            content = json.loads(self._batch.bodies[message])
            body = json.dumps({name: value for name, value in content.items() if name != "tries"})
            sent[body] = max(sent.get(body, 0), self._tries[message] - 1)
        for body, tries in sent.items():
            self._examples.queue.send(json.dumps({**json.loads(body), "tries": tries}) if tries else body)

    def _tries_of(self, messages: Iterable[str]) -> int:
        """The most tries that any of these messages had, this one too."""
        return max(self._tries[message] for message in messages)


def _turn_of(post: tuple[str, str, str], tries: int) -> tuple[bool, int, int]:
    """When a post has its turn among those that are collected alone.

    Whoever had more tries comes first, for the others outlive it; one that had them all comes last. Of those that had
    as many, all come before any one of them in one of two tries, since the second has the order of the first reversed.
    """
    order = int.from_bytes(sha256(json.dumps([(tries + 1) // 2, *post]).encode()).digest())
    return tries > QUEUE_TRIES, -tries, order if tries % 2 else -order


def _messages_of(named: Messages) -> list[str]:
    """All messages, whatever they name."""
    return [message for messages in named.values() for message in messages]
