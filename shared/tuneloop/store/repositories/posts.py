"""Posts: lines that came by the API wait in an object below `posted/`, and a queued message names their drop.

Neither the message nor the dead letter that it may become holds any content.
"""

import json
from collections.abc import Sequence
from typing import Any

import orjson

from tuneloop.domain.chat.examples import Problem
from tuneloop.domain.core.errors import InvalidInput
from tuneloop.domain.core.json_values import find_flaw
from tuneloop.domain.datasets.drops import Drop, DropStatus
from tuneloop.store.objects.bucket import Objects
from tuneloop.store.queues import Queue
from tuneloop.store.repositories.datasets import Datasets

# The states in which a drop may still be collected: one that was given up still is by a late try, or by a dead letter
# that is sent again.
UNREAD = (DropStatus.READING, DropStatus.FAILED)
# The `object` of drops that were posted; other drops have the key of a file there.
BY_API = "api"
BY_FEEDBACK = "feedback"
POSTED = (BY_API, BY_FEEDBACK)
NOT_COLLECTED = Problem(
    line=0,
    path="$",
    code="not_collected",
    message="The examples could not be collected yet. They are kept for 14 days and taken in as soon as that works; "
    "there is no need to send them again, and if you do they count once.",
)


class Posts:
    """The posts of every tenant, until they are collected."""

    def __init__(self, datasets: Datasets, objects: Objects, queue: Queue) -> None:
        self._datasets = datasets
        self._objects = objects
        self._queue = queue

    def add(self, drop: Drop, lines: Sequence[bytes]) -> Drop:
        """Store a drop, if it is new, and its lines, and queue it; nothing if it was collected or rejected already."""
        drop = drop if drop.seq else self._datasets.start_drop(drop)
        if drop.status not in UNREAD:
            return drop
        self._objects.put(posted_key(drop), b"\n".join(lines))
        self._queue.send(json.dumps({"collect": {"tenant": drop.tenant, "dataset": drop.dataset, "drop": drop.id}}))
        return drop.model_copy(update={"status": DropStatus.READING, "problem_count": 0, "problems": []})


def posted_line(row: Any, place: str = "") -> bytes:
    """An accepted example as a line of its post, for every route that takes examples.

    InvalidInput, with the path below `place`, for values that the collector couldn't read, such as a whole number of
    more than 64 bits.
    """
    if located := find_flaw(row, place):
        path, flaw = located
        path = path.removeprefix(".")
        raise InvalidInput(f"{path}: {flaw.rule}", param=path, code=flaw.code)
    return orjson.dumps(row, option=orjson.OPT_SORT_KEYS)


def posted_key(drop: Drop) -> str:
    """The key of the object in which a post's lines wait to be collected."""
    return f"posted/{drop.tenant}/{drop.dataset}/{drop.id}.jsonl"
