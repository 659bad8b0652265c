"""Posting: examples from an app are checked at once and collected behind the answer, rendered to messages already.

A post is known by what was sent, so that sending it again is the same post whatever became of the dataset's template in
between.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tuneloop.domain.chat.examples import Example, Problem
from tuneloop.domain.chat.templates import Template
from tuneloop.domain.core.errors import InvalidInput
from tuneloop.domain.core.ids import derived_id
from tuneloop.domain.datasets.datasets import Dataset
from tuneloop.domain.datasets.drops import Drop
from tuneloop.domain.datasets.records import Record, read_record, to_messages
from tuneloop.observability import log_failure
from tuneloop.store.objects.bucket import Objects
from tuneloop.store.queues import Queue
from tuneloop.store.repositories.datasets import Datasets
from tuneloop.store.repositories.posts import BY_API, UNREAD, post_drop, posted_line
from tuneloop.validation.line_parser import isolate_line


@dataclass(frozen=True)
class PostExamples:
    """Checks examples, writes them down, and queues that they are to be collected."""

    datasets: Datasets
    objects: Objects
    queue: Queue

    def post(self, dataset: Dataset, rows: list[Any], now: datetime) -> Drop:
        """The drop of some examples, that of the first time where they were posted before.

        Raises InvalidInput at the first bad example.
        """
        place, version = (dataset.tenant, dataset.id), dataset.template_version
        identity = derived_id("drop", *place, *(posted_line(row, _param(index)) for index, row in enumerate(rows)))
        stored = self.datasets.find_drop(*place, identity)
        if stored and stored.status not in UNREAD:
            return stored
        template = dataset.template_of(stored.template if stored else version)
        lines = [_checked(row, index, template) for index, row in enumerate(rows)]
        new = Drop(id=identity, tenant=place[0], dataset=place[1], object=BY_API, template=version, created_at=now)
        return post_drop(stored or new, lines, datasets=self.datasets, objects=self.objects, queue=self.queue)


def _checked(row: Any, index: int, template: Template | None) -> bytes:
    """The line of an example of any form, as it is to be collected."""
    messages = isolate_line(index, _read, row, index, template, log=log_failure)
    if isinstance(messages, dict):
        return posted_line(messages, _param(index))
    problem = messages[0]
    raise InvalidInput(problem.message, param=f"{_param(index)}{problem.path.removeprefix('$')}", code=problem.code)


def _read(row: Any, index: int, template: Template | None) -> dict[str, Any] | list[Problem]:
    """The messages that a row holds or is rendered to, or its problems."""
    example = read_record(Record(index, row), template=template)
    if not isinstance(example, Example):
        return example
    messages: dict[str, Any] = to_messages(row, template).row
    return messages


def _param(index: int) -> str:
    """How an error names the example in the request's body."""
    return f"examples[{index}]"
