"""One delivery of the examples queue: each dataset's posts and judgements together, within what one delivery may take.

A message that fails, or that is none of ours, is delivered again and costs the others nothing. On its last try a post
is collected after all others and alone, so that whatever it does to this process is done to nobody else.
"""

import json
from collections.abc import Callable, Iterable, Iterator

from collect_posts.judge_feedback import apply_votes
from collect_posts.posts import Post, add_posts, give_up_post, portions, read_post
from tuneloop.app import app, utc_now
from tuneloop.domain.limits import SEGMENT_BYTES
from tuneloop.ingest import count_drop
from tuneloop.settling import send_settle_reminder, settle
from tuneloop.triggers import Batch

Place = tuple[str, str]
Messages = dict[str, list[str]]  # by what they name: a post may have been announced twice
# A segment's worth of lines. One core takes in 4 MB a second of very short lines and 10 to 19 of usual ones (measured
# on 2026-12-01), so that the whole takes at most 8 of the 14 seconds that are half of the function's time.
DELIVERY_BYTES = SEGMENT_BYTES


class Delivery:
    """The messages of one delivery, sorted by what they ask for; what exceeds the delivery's bounds is sent again.

    Giving it back would count as one of its tries, and hide it until they are visible again.
    """

    def __init__(self, batch: Batch, remaining_s: Callable[[], float]) -> None:
        self._batch, self._remaining_s = batch, remaining_s
        self._least_s = remaining_s() / 2
        self._bytes = 0
        self._posts: dict[Place, Messages] = {}
        self._last_tries: dict[Place, Messages] = {}
        self._prompts: dict[Place, Messages] = {}
        self._reminders: dict[Place, Messages] = {}

    def work_off(self) -> None:
        """Collect every post that is named, judge what feedback said, settle what is to be, each apart from others."""
        for message, body in self._batch.bodies.items():
            with self._batch.trying(message):
                self._sort(message, body)
        for place, named in self._posts.items():
            with self._batch.trying(*_messages_of(named)):
                self._collect(place, named)
        for place, named in self._prompts.items():
            with self._batch.trying(*_messages_of(named)):
                self._judge(place, named)
        for place, named in self._reminders.items():
            with self._batch.trying(*_messages_of(named)):
                self._settle(place, named)
        for place, named in self._last_tries.items():
            for drop, messages in named.items():
                self._collect_alone(place, drop, messages)

    def _sort(self, message: str, body: str) -> None:
        match json.loads(body):
            case {"settle": {"tenant": str(tenant), "dataset": str(dataset)}}:
                asked, name = self._reminders, dataset
            case {"collect": {"tenant": str(tenant), "dataset": str(dataset), "drop": str(name)}}:
                asked = self._last_tries if message in self._batch.last_tries else self._posts
            case {"judge": {"tenant": str(tenant), "dataset": str(dataset), "unit": str(name)}}:
                asked = self._prompts
            case _:
                raise ValueError("this queue has no such message")
        asked.setdefault((tenant, dataset), {}).setdefault(name, []).append(message)

    def _collect(self, place: Place, named: Messages) -> None:
        """Collect the posts of one dataset; one that can't be read stays behind, for its own messages."""
        for portion in portions(self._readable(place, named)):
            added = add_posts(portion, datasets=app.datasets, objects=app.objects, erasures=app.erasures, clock=utc_now)
            for drop in added:
                count_drop(drop)
        self._remind(place)

    def _readable(self, place: Place, named: Messages) -> Iterator[Post]:
        for drop, messages in named.items():
            post = None
            with self._batch.trying(*messages):
                if self._has_room(messages):
                    post = read_post(place, drop, datasets=app.datasets, objects=app.objects, clock=utc_now)
            if post:
                self._bytes += post.bytes
                yield post

    def _collect_alone(self, place: Place, drop: str, messages: list[str]) -> None:
        """Collect a post whose message is not delivered again; its owner is told if that fails too."""
        with self._batch.trying(*messages):
            self._collect(place, {drop: messages})
        if self._batch.has_failed(*messages):
            with self._batch.trying(*messages):
                give_up_post(place, drop, datasets=app.datasets, now=utc_now())

    def _judge(self, place: Place, named: Messages) -> None:
        if not self._has_room(_messages_of(named)):
            return
        units, now = list(named), utc_now()
        if apply_votes(*place, units, datasets=app.datasets, votes=app.votes, reviews=app.reviews, now=now):
            self._remind(place)

    def _settle(self, place: Place, named: Messages) -> None:
        if self._has_room(_messages_of(named)):
            settle(*place, settle_s=app.settings.settle_s, datasets=app.datasets, runs=app.runs, now=utc_now())

    def _remind(self, place: Place) -> None:
        found = app.datasets.get(*place)
        send_settle_reminder(found, settle_s=app.settings.settle_s, queue=app.examples_queue)

    def _has_room(self, messages: Iterable[str]) -> bool:
        """Whether there is room for more; if not, these messages are sent again, each body once."""
        if self._bytes < DELIVERY_BYTES and self._remaining_s() >= self._least_s:
            return True
        for body in dict.fromkeys(self._batch.bodies[message] for message in messages):
            app.examples_queue.send(body)
        return False


def _messages_of(named: Messages) -> list[str]:
    return [message for messages in named.values() for message in messages]
