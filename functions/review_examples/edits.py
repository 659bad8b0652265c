"""Edits: the whole of an example as a reviewer wants it, checked like any line that is collected."""

from typing import Any

from tuneloop.domain.chat.examples import OURS, Example, Problem, canonical, read_example
from tuneloop.domain.core.errors import InvalidInput, TooLarge
from tuneloop.domain.core.limits import EDIT_BYTES
from tuneloop.observability import log_failure
from tuneloop.store.objects.stored_lines import line_of
from tuneloop.validation.line_parser import isolate_line


def read_edit(content: dict[str, Any], place: str) -> Example:
    """The content of an edit as an example; InvalidInput or TooLarge with its place in the call where it can be none.

    Where an example came from stays as it is: only its content can be edited, and category and quality beside it.
    """
    if ours := next((name for name in OURS if content.get(name) is not None), None):
        rule = "An edit holds an example's content alone; `category` and `quality` stand beside it."
        raise InvalidInput(rule, param=f"{place}.{ours}", code="invalid_field")
    found = isolate_line(0, _read, content, log=log_failure)
    if not isinstance(found, Example):
        path = found[0].path.removeprefix("$")
        raise InvalidInput(found[0].message, param=f"{place}{path}", code=found[0].code)
    if len(canonical(found.content).encode()) > EDIT_BYTES:
        raise TooLarge(f"An edited example may have {EDIT_BYTES:,} bytes at most.", param=place)
    return found


def _read(content: dict[str, Any]) -> Example | list[Problem]:
    """The example that the content is, proved to be one that can be stored, or its problems."""
    found = read_example(content, 0)
    if isinstance(found, Example):
        line_of(found)
    return found
