"""Posting: examples from an app are checked at once and collected behind the answer.

Their lines wait in an object below `posted/`; the message, and with it whatever becomes a dead letter, only names it.
"""

import json
from datetime import datetime
from typing import Any

import orjson

from collect_examples.drop import UNREAD
from tuneloop.domain.datasets import Dataset, Drop, DropStatus
from tuneloop.domain.errors import InvalidInput
from tuneloop.domain.examples import Example, read_example
from tuneloop.domain.ids import derived_id
from tuneloop.store.datasets import Datasets
from tuneloop.store.objects import Objects
from tuneloop.store.queues import Queue


def post(
    dataset: Dataset,
    rows: list[dict[str, Any]],
    *,
    datasets: Datasets,
    objects: Objects,
    queue: Queue,
    now: datetime,
) -> Drop:
    """Check examples, write them down and queue that they are to be collected; gives their drop.

    Posting the same again gives the drop of the first time. Raises InvalidInput at the first bad example.
    """
    lines = [_checked(row, index) for index, row in enumerate(rows)]
    drop_id = derived_id("drop", dataset.tenant, dataset.id, *lines)
    drop = datasets.find_drop(dataset.tenant, dataset.id, drop_id) or datasets.start_drop(
        Drop(id=drop_id, tenant=dataset.tenant, dataset=dataset.id, object="api", created_at=now)
    )
    if drop.status not in UNREAD:
        return drop
    objects.put(posted_key(drop), b"\n".join(lines))
    queue.send(json.dumps({"collect": {"tenant": drop.tenant, "dataset": drop.dataset, "drop": drop.id}}))
    return drop.model_copy(update={"status": DropStatus.READING, "problem_count": 0, "problems": []})


def posted_key(drop: Drop) -> str:
    """Where a post's lines lie until they are collected."""
    return f"posted/{drop.tenant}/{drop.dataset}/{drop.id}.jsonl"


def _checked(row: dict[str, Any], index: int) -> bytes:
    found = read_example(row, index)
    if isinstance(found, Example):
        try:
            return orjson.dumps(row, option=orjson.OPT_SORT_KEYS)
        except orjson.JSONEncodeError as error:
            rule = "An example may hold Unicode text and whole numbers of up to 64 bits."
            raise InvalidInput(rule, param=f"examples[{index}]", code="invalid_json") from error
    path = found[0].path.removeprefix("$")
    raise InvalidInput(found[0].message, param=f"examples[{index}]{path}", code=found[0].code)
