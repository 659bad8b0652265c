"""Posting: examples from an app are checked at once and collected behind the answer, rendered to messages already.

A post is known by what was sent, so that sending it again is the same post whatever became of the dataset's template in
between.
"""

from datetime import datetime
from typing import Any

from tuneloop.domain.chat.examples import Example, Problem
from tuneloop.domain.chat.templates import Template
from tuneloop.domain.core.errors import InvalidInput
from tuneloop.domain.core.ids import derived_id
from tuneloop.domain.datasets.datasets import Dataset, Drop
from tuneloop.domain.datasets.records import Record, read_record, to_messages
from tuneloop.observability import log_failure
from tuneloop.store.objects.bucket import Objects
from tuneloop.store.queues import Queue
from tuneloop.store.repositories.datasets import Datasets
from tuneloop.store.repositories.posts import BY_API, UNREAD, post_drop, posted_line
from tuneloop.validation.line_parser import isolate_line


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
    identity = derived_id("drop", *place, *(posted_line(row, _place(index)) for index, row in enumerate(rows)))
    known = datasets.find_drop(*place, identity)
    if known and known.status not in UNREAD:
        return known
    template = dataset.template_of(known.template if known else version)
    lines = [_checked(row, index, template) for index, row in enumerate(rows)]
    made = Drop(id=identity, tenant=place[0], dataset=place[1], object=BY_API, template=version, created_at=now)
    return post_drop(known or made, lines, datasets=datasets, objects=objects, queue=queue)


def _checked(row: Any, index: int, template: Template | None) -> bytes:
    """The line of an example of any form, as it is to be collected."""
    found = isolate_line(index, _read, row, index, template, log=log_failure)
    if isinstance(found, dict):
        return posted_line(found, _place(index))
    path = found[0].path.removeprefix("$")
    raise InvalidInput(found[0].message, param=f"{_place(index)}{path}", code=found[0].code)


def _read(row: Any, index: int, template: Template | None) -> dict[str, Any] | list[Problem]:
    """The messages that a row holds or is rendered to, or its problems."""
    found = read_record(Record(index, row), template=template)
    if not isinstance(found, Example):
        return found
    messages: dict[str, Any] = to_messages(row, template).row
    return messages


def _place(index: int) -> str:
    return f"examples[{index}]"
