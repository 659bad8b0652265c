"""Posting: examples from an app are checked and rendered to messages at once, and collected after the answer.

A post's id is derived from the examples as they were sent, so sending them again is the same post even if the dataset's
template was changed in between.
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
from tuneloop.store.repositories.datasets import Datasets
from tuneloop.store.repositories.posts import BY_API, UNREAD, Posts, posted_line
from tuneloop.validation.line_parser import isolate_line


@dataclass(frozen=True)
class PostExamples:
    """Checks posted examples, stores their lines, and queues the message to collect them."""

    datasets: Datasets
    posts: Posts

    def post(self, dataset: Dataset, rows: list[Any], now: datetime) -> Drop:
        """Post examples and return their drop; examples that were posted before have the drop of the first time.

        InvalidInput for the first example that can't be used.
        """
        place, version = (dataset.tenant, dataset.id), dataset.template_version
        identity = derived_id("drop", *place, *(posted_line(row, _param(index)) for index, row in enumerate(rows)))
        stored = self.datasets.find_drop(*place, identity)
        if stored and stored.status not in UNREAD:
            return stored
        template = dataset.template_of(stored.template if stored else version)
        lines = [_checked(row, index, template) for index, row in enumerate(rows)]
        new = Drop(id=identity, tenant=place[0], dataset=place[1], object=BY_API, template=version, created_at=now)
        return self.posts.add(stored or new, lines)


def _checked(row: Any, index: int, template: Template | None) -> bytes:
    """The line to collect for a posted example of any form; InvalidInput if it can't be used."""
    messages = isolate_line(index, _read, row, index, template, log=log_failure)
    if isinstance(messages, dict):
        return posted_line(messages, _param(index))
    problem = messages[0]
    raise InvalidInput(problem.message, param=f"{_param(index)}{problem.path.removeprefix('$')}", code=problem.code)


def _read(row: Any, index: int, template: Template | None) -> dict[str, Any] | list[Problem]:
    """A row's messages, rendered through the template if it is an `{input, output}` row, or its problems."""
    example = read_record(Record(index, row), template=template)
    if not isinstance(example, Example):
        return example
    messages: dict[str, Any] = to_messages(row, template).row
    return messages


def _param(index: int) -> str:
    """The path of an example in the request's body, as an error names it."""
    return f"examples[{index}]"
