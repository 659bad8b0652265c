"""Processes one delivery of the examples queue, dataset by dataset, within the bounds of one invocation.

A message that fails, or that is of an unknown kind, is delivered again and costs the others nothing. But a post that
kills this process (by its memory or its time) is delivered again together with its neighbours. So from its third try on
a post is collected after all others and alone, in an order that changes with the try: each of its neighbours comes
before it once.
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

Place = tuple[str, str]  # tenant and dataset
# The ids of messages by the drop, prompt or dataset that they name: a post may be announced by more than one message.
MessagesByName = dict[str, list[str]]
# As many lines as a segment holds. One core collects 4 MB a second of very short lines and 10 to 19 of usual ones
# (measured on 2026-12-01), so all of it takes at most 8 of the 14 seconds that are half of the function's time-out.
DELIVERY_BYTES = SEGMENT_BYTES
# From this try on a post is collected alone. The first two tries, together with others, are enough for a failure that
# passes, such as an outage of a service. The third and fourth have an order and its reverse, and the fifth another
# order, for deliveries in which two posts kill. The number is odd, as `_isolated_order` pairs an odd try with the next.
ISOLATED_FROM_TRY = 3


@dataclass(frozen=True)
class ExamplesQueue:
    """The use cases that messages of the examples queue start, and the queue, to which messages are sent again."""

    posts: CollectPosts
    feedback: JudgeFeedback
    settling: SettleDatasets
    queue: Queue

    def remind(self, place: Place) -> None:
        """Leave a reminder to settle a dataset when its quiet time is over."""
        dataset = self.posts.datasets.get(*place)
        send_settle_reminder(dataset, settle_s=self.settling.settle_s, queue=self.queue)


class Delivery:
    """The messages of one delivery by kind and dataset; those beyond the delivery's bounds are sent again.

    Reporting them as failed would count as one of their tries, and hide them for the queue's visibility time-out. A
    message that is sent again carries its number of tries, so that a post that kills its readers is given up in the
    end.
    """

    def __init__(self, batch: Batch, examples: ExamplesQueue, remaining_s: Callable[[], float]) -> None:
        self._batch, self._examples, self._remaining_s = batch, examples, remaining_s
        self._reserved_s = remaining_s() / 2  # no new work in the second half: what was begun has to end in time
        self._bytes = 0
        self._tries: dict[str, int] = {}  # by message id, with those of the messages that it was sent as before
        self._posts: dict[Place, MessagesByName] = {}
        self._prompts: dict[Place, MessagesByName] = {}
        self._reminders: dict[Place, MessagesByName] = {}

    def process(self) -> None:
        """Collect posts, judge feedback and settle datasets; the failure of one dataset's messages is theirs alone."""
        for message, body in self._batch.bodies.items():
            with self._batch.attempt(message):
                self._add_message(message, body)
        isolated = self._pop_isolated()
        for place, posts in self._posts.items():
            with self._batch.attempt(*_messages_of(posts)):
                self._collect(place, self._read_posts(place, posts))
        for place, prompts in self._prompts.items():
            with self._batch.attempt(*_messages_of(prompts)):
                self._judge(place, prompts)
        for place, reminders in self._reminders.items():
            with self._batch.attempt(*_messages_of(reminders)):
                self._settle(place, reminders)
        for number, (place, drop, messages) in enumerate(isolated):
            self._collect_isolated(place, drop, messages, is_first=number == 0)

    def _add_message(self, message: str, body: str) -> None:
        """Add a message to those of its kind and dataset; ValueError for a body of an unknown kind."""
        match content := json.loads(body):
            case {"settle": {"tenant": str(tenant), "dataset": str(dataset)}}:
                group, name = self._reminders, dataset
            case {"collect": {"tenant": str(tenant), "dataset": str(dataset), "drop": str(name)}}:
                group = self._posts
            case {"judge": {"tenant": str(tenant), "dataset": str(dataset), "unit": str(name)}}:
                group = self._prompts
            case _:
                raise ValueError("this queue has no such message")
        self._tries[message] = int(content.get("tries", 0)) + self._batch.tries[message]
        group.setdefault((tenant, dataset), {}).setdefault(name, []).append(message)

    def _pop_isolated(self) -> list[tuple[Place, str, list[str]]]:
        """Remove the posts that are to be collected alone from the others; returns them in their order."""
        ordered = []
        for place, posts in self._posts.items():
            for drop in [drop for drop, messages in posts.items() if self._tries_of(messages) >= ISOLATED_FROM_TRY]:
                messages = posts.pop(drop)
                ordered.append((_isolated_order((*place, drop), self._tries_of(messages)), (place, drop, messages)))
        self._posts = {place: posts for place, posts in self._posts.items() if posts}
        return [post for _, post in sorted(ordered)]

    def _collect(self, place: Place, posts: Iterable[Post]) -> None:
        """Add posts to their dataset, and leave a reminder to settle it."""
        self._examples.posts.add(posts)
        self._examples.remind(place)

    def _read_posts(self, place: Place, posts: MessagesByName) -> Iterator[Post]:
        """The posts of one dataset, read; where one can't be read, its own messages alone have failed."""
        for drop, messages in posts.items():
            post = None
            with self._batch.attempt(*messages):
                if self._has_room(messages):
                    post = self._examples.posts.read(place, drop)
            if post:
                self._bytes += post.bytes
                yield post

    def _collect_isolated(self, place: Place, drop: str, messages: list[str], *, is_first: bool) -> None:
        """Collect a post that may have killed its readers; if its last try fails too, give it up for its owner to see.

        The first one of a delivery is collected however full the delivery is (a post has 4 MiB at most), so that none
        waits for ever.
        """
        tries = self._tries_of(messages)
        with self._batch.attempt(*messages):
            if is_first or self._remaining_s() >= self._reserved_s:
                post = self._examples.posts.read(place, drop)
                self._collect(place, [post] if post else [])
            elif tries > QUEUE_TRIES:
                raise TimeoutError("a post that had its tries is not sent again, so that it becomes a dead letter")
            else:
                self._send_again(messages)
        if tries >= QUEUE_TRIES and self._batch.has_failed(*messages):
            with self._batch.attempt(*messages):
                self._examples.posts.give_up(place, drop)

    def _judge(self, place: Place, prompts: MessagesByName) -> None:
        if self._has_room(_messages_of(prompts)) and self._examples.feedback.judge(*place, list(prompts), utc_now()):
            self._examples.remind(place)

    def _settle(self, place: Place, reminders: MessagesByName) -> None:
        if self._has_room(_messages_of(reminders)):
            self._examples.settling.settle(*place, utc_now())

    def _has_room(self, messages: Iterable[str]) -> bool:
        """Whether the delivery has bytes and time left for these messages; if not, they are sent again."""
        if self._bytes < DELIVERY_BYTES and self._remaining_s() >= self._reserved_s:
            return True
        self._send_again(messages)
        return False

    def _send_again(self, messages: Iterable[str]) -> None:
        """Send messages again, each body once, with their tries before this delivery, which doesn't count as one."""
        tries_by_body: dict[str, int] = {}
        for message in messages:
            content = json.loads(self._batch.bodies[message])
            body = json.dumps({name: value for name, value in content.items() if name != "tries"})
            tries_by_body[body] = max(tries_by_body.get(body, 0), self._tries[message] - 1)
        for body, tries in tries_by_body.items():
            self._examples.queue.send(json.dumps({**json.loads(body), "tries": tries}) if tries else body)

    def _tries_of(self, messages: Iterable[str]) -> int:
        """The most tries that any of these messages has had, this delivery included."""
        return max(self._tries[message] for message in messages)


def _isolated_order(post: tuple[str, str, str], tries: int) -> tuple[bool, int, int]:
    """The sort key of a post (tenant, dataset, drop) among those that are collected alone.

    Posts with more tries come first, as the others have tries left if one of them kills this process; those that used
    up their tries come last. Posts with equal tries come in the order of a hash, which an odd try draws and the even
    one after it reverses: so in one of the two tries each of them comes before any one that kills.
    """
    order = int.from_bytes(sha256(json.dumps([(tries + 1) // 2, *post]).encode()).digest())
    return tries > QUEUE_TRIES, -tries, order if tries % 2 else -order


def _messages_of(messages_by_name: MessagesByName) -> list[str]:
    """The ids of all messages, whatever they name."""
    return [message for messages in messages_by_name.values() for message in messages]
