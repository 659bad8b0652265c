"""Messages: what one delivery of the examples queue asks for, each dataset's posts and judgements together.

A message that fails, or that is none of ours, is delivered again and costs the others nothing.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

from collect_examples.incoming import count_end, reminded
from collect_examples.judge import judge
from collect_examples.posts import Post, add_posts, portions, read_post
from tuneloop.app import app, utc_now
from tuneloop.triggers import Batch

Place = tuple[str, str]
Messages = dict[str, list[str]]  # by what they name: a post may have been announced twice


def receive_messages(batch: Batch, settle: Callable[[str, str], Any]) -> None:
    """Collect every post that is named, judge what feedback said, settle what is to be, each apart from the others."""
    posts: dict[Place, Messages] = {}
    prompts: dict[Place, Messages] = {}
    reminders: dict[Place, list[str]] = {}
    for message, body in batch.bodies.items():
        with batch.trying(message):
            match json.loads(body):
                case {"settle": {"tenant": str(tenant), "dataset": str(dataset)}}:
                    reminders.setdefault((tenant, dataset), []).append(message)
                case {"collect": {"tenant": str(tenant), "dataset": str(dataset), "drop": str(drop)}}:
                    posts.setdefault((tenant, dataset), {}).setdefault(drop, []).append(message)
                case {"judge": {"tenant": str(tenant), "dataset": str(dataset), "unit": str(unit)}}:
                    prompts.setdefault((tenant, dataset), {}).setdefault(unit, []).append(message)
                case _:
                    raise ValueError("this queue has no such message")
    for place, named in posts.items():
        with batch.trying(*(message for messages in named.values() for message in messages)):
            _collect(place, named, batch)
    for place, named in prompts.items():
        with batch.trying(*(message for messages in named.values() for message in messages)):
            _judge(place, list(named))
    for place, messages in reminders.items():
        with batch.trying(*messages):
            settle(*place)


def _collect(place: Place, named: Messages, batch: Batch) -> None:
    """Collect the posts of one dataset; one that can't be read stays behind, for its own messages."""
    for portion in portions(_readable(place, named, batch)):
        added = add_posts(portion, datasets=app.datasets, objects=app.objects, erasures=app.erasures, clock=utc_now)
        for drop in added:
            count_end(drop)
    reminded(*place)


def _judge(place: Place, units: list[str]) -> None:
    if judge(*place, units, datasets=app.datasets, votes=app.votes, reviews=app.reviews, now=utc_now()):
        reminded(*place)


def _readable(place: Place, named: Messages, batch: Batch) -> Iterator[Post]:
    for drop, messages in named.items():
        post = None
        with batch.trying(*messages):
            post = read_post(place, drop, datasets=app.datasets, objects=app.objects, clock=utc_now)
        if post:
            yield post
