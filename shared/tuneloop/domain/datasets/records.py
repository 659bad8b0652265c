"""Records: the forms in which callers send an example, each made into the one that `read_example` knows.

Messages and preference pairs are that form already; `{user_message, assistant_response}` and `{prompt, completion}` are
a question and its answer; `{input, output}` goes through the dataset's template. What is wrong is told by the field or
column that was sent.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC
from itertools import islice
from typing import Any, NamedTuple

from tuneloop.domain.chat.examples import TOO_DEEP, Example, Problem, Split, read_normalized
from tuneloop.domain.chat.messages import JsonObject, is_deeper
from tuneloop.domain.chat.normalization import normalize
from tuneloop.domain.chat.rules import Violation
from tuneloop.domain.chat.templates import Template
from tuneloop.domain.core.limits import CATEGORY_CHARACTERS, JSON_DEPTH, NAME_CHARACTERS, PROBLEMS_KEPT
from tuneloop.domain.datasets.origins import Origin

PLAIN = ("user_message", "assistant_response")
COMPLETED = ("prompt", "completion")
RENDERED = ("input", "output")
MESSAGE_FORMS = frozenset({"messages", "preferred_output", "non_preferred_output"})
RESERVED_SOURCES = frozenset(Origin)
RESERVED = f"The sources {' and '.join(sorted(RESERVED_SOURCES))} are given by feedback alone; name another."
LONGEST = dict.fromkeys(("subject", "group", "source"), NAME_CHARACTERS) | {"category": CATEGORY_CHARACTERS}
NO_TEMPLATE: Violation = (
    "$.input",
    "no_template",
    "`input` and `output` are rendered through the dataset's template; set one by PATCH /v1/datasets/{dataset}.",
)


class Record(NamedTuple):
    """What one record of a file holds: a row, or problems; `columns` are names in the file for the row's own."""

    line: int
    row: Any = None
    problems: tuple[Problem, ...] = ()
    columns: Mapping[str, str] = {}


class ShapedRow(NamedTuple):
    """A row as `read_example` takes it; `origins` maps its paths to those of the caller's own form."""

    row: Any
    origins: Mapping[str, str] = {}


def read_record(
    record: Record, split: Split | None = None, template: Template | None = None
) -> Example | list[Problem]:
    """The example that a caller's record holds, or its problems, by the names that the caller used."""
    if record.problems:
        return list(record.problems)
    row = normalize(template.parse_input(record.row) if template and record.columns else record.row)
    if faults := list(islice(_faults(row, template), PROBLEMS_KEPT)):
        problems = [Problem(line=record.line, path=path, code=code, message=text) for path, code, text in faults]
        return [_at_origin(problem, {}, record.columns) for problem in problems]
    shape = _shape(row, template)
    result = read_normalized(shape.row, record.line, split, record.row if shape.row is row else None)
    if isinstance(result, Example):
        return result if _is_storable(result) else [_time_problem(record)]
    return [_at_origin(problem, shape.origins, record.columns) for problem in result]


def to_messages(row: Any, template: Template | None) -> ShapedRow:
    """A row of any form, of which `read_record` found no faults, as messages; one that has messages stays as it is."""
    plain = normalize(row)
    shape = _shape(plain, template)
    return ShapedRow(row) if shape.row is plain else shape


def _shape(row: Any, template: Template | None) -> ShapedRow:
    """A normalized row as messages; one that has messages, or no known form, as it is."""
    form = _form_of(row)
    if form in (PLAIN, COMPLETED):
        messages = [
            {"role": role, "content": row[name]} for role, name in zip(("user", "assistant"), form, strict=True)
        ]
    elif form == RENDERED and template:
        messages = template.messages(row)
    else:
        return ShapedRow(row)
    rest = {name: value for name, value in row.items() if name not in form}
    origins = {f"$.messages[{len(messages) - 2 + place}]": f"$.{name}" for place, name in enumerate(form)}
    return ShapedRow({**rest, "messages": messages}, origins)


def _form_of(row: Any) -> tuple[str, ...]:
    """The fields of a row that are to become messages; none where it has those, or nothing that is known."""
    if isinstance(row, dict) and MESSAGE_FORMS.isdisjoint(row):
        for form in (PLAIN, COMPLETED, RENDERED):
            if not row.keys().isdisjoint(form):
                return form
    return ()


def _faults(row: Any, template: Template | None) -> Iterator[Violation]:
    """What is wrong with a row before it is made into messages."""
    if not isinstance(row, dict):
        return
    form = _form_of(row)
    if form and is_deeper(row, JSON_DEPTH):  # what is rendered is text, in which nobody would find it
        yield TOO_DEEP
    elif form in (PLAIN, COMPLETED):
        for name in form:
            if not isinstance(row.get(name), str):
                yield f"$.{name}", "missing_text", f"`{'` and `'.join(form)}` must both be texts."
    elif form == RENDERED:
        yield from template.faults(row) if template else (NO_TEMPLATE,)
    yield from _field_faults(row)


def _field_faults(row: JsonObject) -> Iterator[Violation]:
    quality = row.get("quality")
    if quality is not None and not _is_quality(quality):
        yield "$.quality", "invalid_quality", "`quality` must be a number from 0 to 1."
    source = row.get("source")
    if isinstance(source, str) and source.strip().casefold() in RESERVED_SOURCES:
        yield "$.source", "reserved_source", RESERVED
    for name, most in LONGEST.items():
        if isinstance(text := row.get(name), str) and len(text) > most:
            yield f"$.{name}", "too_long", f"`{name}` may have {most} characters at most."


def _is_quality(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _is_storable(example: Example) -> bool:
    """Whether the time that it names is one in UTC too; some at either end of the calendar are not."""
    moment = example.created_at
    try:
        return moment is None or moment.tzinfo is None or bool(moment.astimezone(UTC))
    except OverflowError:
        return False


def _time_problem(record: Record) -> Problem:
    text = "`created_at` must lie within the years 1 to 9999 in UTC."
    problem = Problem(line=record.line, path="$.created_at", code="invalid_field", message=text)
    return _at_origin(problem, {}, record.columns)


def _at_origin(problem: Problem, origins: Mapping[str, str], columns: Mapping[str, str]) -> Problem:
    """A problem with the path, or the column, that its caller sent, in place of the one in the shaped row."""
    path = problem.path
    path = next((origin for prefix, origin in origins.items() if path.startswith(prefix)), path)
    field = path.removeprefix("$.").partition(".")[0].partition("[")[0]
    path = f"$.{columns[field]}" if field in columns else path
    return problem.model_copy(update={"path": path})
