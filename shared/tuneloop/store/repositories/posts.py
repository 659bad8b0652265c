"""Posting: lines that came by the API wait in an object below `posted/`, and a queued message names them.

Neither the message nor what it becomes when it fails for good holds any content.
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

UNREAD = (DropStatus.READING, DropStatus.FAILED)  # giving up is no verdict: a late try, or a dead letter, still counts
BY_API = "api"
BY_FEEDBACK = "feedback"
POSTED = (BY_API, BY_FEEDBACK)  # what such drops have as their object, where others have the key of a file
NOT_COLLECTED = Problem(
    line=0,
    path="$",
    code="not_collected",
    message="The examples could not be collected yet. They are kept for 14 days and taken in as soon as that works; "
    "there is no need to send them again, and if you do they count once.",
)


def post_drop(drop: Drop, lines: Sequence[bytes], *, datasets: Datasets, objects: Objects, queue: Queue) -> Drop:
    """Write a drop's lines down and queue that they are to be collected, unless they were; a new drop is stored."""
    drop = drop if drop.seq else datasets.start_drop(drop)
    if drop.status not in UNREAD:
        return drop
    objects.put(posted_key(drop), b"\n".join(lines))
    queue.send(json.dumps({"collect": {"tenant": drop.tenant, "dataset": drop.dataset, "drop": drop.id}}))
    return drop.model_copy(update={"status": DropStatus.READING, "problem_count": 0, "problems": []})


def posted_line(row: Any, place: str = "") -> bytes:
    """An accepted example as a line of its post: what every door of the API writes down; InvalidInput by its path.

    A row that can be written here can be read by the collector, whose reader holds numbers of 64 bits.
    """
    if found := find_flaw(row, place):
        path, flaw = found
        path = path.removeprefix(".")
        raise InvalidInput(f"{path}: {flaw.rule}", param=path, code=flaw.code)
    return orjson.dumps(row, option=orjson.OPT_SORT_KEYS)


def posted_key(drop: Drop) -> str:
    """Where a post's lines lie until they are collected."""
    return f"posted/{drop.tenant}/{drop.dataset}/{drop.id}.jsonl"
