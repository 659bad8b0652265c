"""Posting: examples from an app are checked at once and collected behind the answer, rendered to messages already.

A post is known by what was sent, so that sending it again is the same post whatever became of the dataset's template in
between.
"""

from datetime import datetime
from typing import Any

import orjson

from tuneloop.domain.datasets import Dataset, Drop
from tuneloop.domain.errors import InvalidInput
from tuneloop.domain.examples import Example
from tuneloop.domain.ids import derived_id
from tuneloop.domain.shaping import Record, read_record, shaped
from tuneloop.domain.templates import Template
from tuneloop.posting import BY_API, UNREAD, post_drop
from tuneloop.store.datasets import Datasets
from tuneloop.store.objects import Objects
from tuneloop.store.queues import Queue


def post(
    dataset: Dataset,
    rows: list[Any],
    *,
    datasets: Datasets,
    objects: Objects,
    queue: Queue,
    now: datetime,
) -> Drop:
    """Check examples, write them down and queue that they are to be collected; gives their drop.

    Posting the same again gives the drop of the first time. Raises InvalidInput at the first bad example.
    """
    place, version = (dataset.tenant, dataset.id), dataset.template_version
    identity = derived_id("drop", *place, *(_written(row, index) for index, row in enumerate(rows)))
    known = datasets.find_drop(*place, identity)
    if known and known.status not in UNREAD:
        return known
    template = dataset.template_of(known.template if known else version)
    lines = [_checked(row, index, template) for index, row in enumerate(rows)]
    made = Drop(id=identity, tenant=place[0], dataset=place[1], object=BY_API, template=version, created_at=now)
    return post_drop(known or made, lines, datasets=datasets, objects=objects, queue=queue)


def _checked(row: Any, index: int, template: Template | None) -> bytes:
    """The line of an example of any form, as it is to be collected."""
    found = read_record(Record(index, row), template=template)
    if isinstance(found, Example):
        return _written(shaped(row, template).row, index)
    path = found[0].path.removeprefix("$")
    raise InvalidInput(found[0].message, param=f"examples[{index}]{path}", code=found[0].code)


def _written(row: Any, index: int) -> bytes:
    try:
        return orjson.dumps(row, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError as error:
        rule = "An example may hold Unicode text and whole numbers of up to 64 bits."
        raise InvalidInput(rule, param=f"examples[{index}]", code="invalid_json") from error
