"""Warnings: what is odd about a file whose lines may each be fine, found in one pass and in bounded memory.

Of each kind of line the number and the places of the first ones are kept, never their content. Two processes may each
look at a part of a file: their notes are added up.
"""

import json
from array import array
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel

LINES_SHOWN = 10  # lines named with a warning: enough to look at, and bounded whatever the file holds
MOST_LABELS = 1_000  # different ones, up to which they may be labels
LABEL_CHARACTERS = 200  # an answer that is longer is prose and no label
EXAMPLES_PER_LABEL = 5  # on average, from which on answers are taken for labels
IMBALANCE = 10  # times as often as the rarest label comes the commonest before there is a warning
MOST_SHAPES = 1_000  # kept apart; those that come later are counted together, so that memory stays bounded
MOST_FIELDS = 200  # of an answer; one with more is an object and nothing else
MOST_COMPARED = 750_000  # examples of a file: 9 MB
SHARDS = 256  # by content: duplicates are searched in one shard at a time, so that only its hashes stand in a set

Shape = tuple[str, ...] | frozenset[tuple[str, str]]
TEXT: Shape = ("text",)
JSON_STARTS = ("{", "[", '""', "null")  # how JSON begins; a number or a word alone is taken for a text
EMPTY_VALUES: tuple[Any, ...] = (None, "", [], {})


class FileWarning(BaseModel):
    """Something odd about a file: a stable code, what it means, how many lines it is about, and the first of those."""

    code: str
    message: str
    count: int
    lines: list[int]


class LineNotes:
    """How many lines something was seen in, and the first ten."""

    def __init__(self, count: int = 0, lines: Iterable[int] = ()) -> None:
        self.count = count
        self.lines = list(lines)

    def add(self, line: int) -> None:
        """Note a line."""
        self.count += 1
        if self.count <= LINES_SHOWN:
            self.lines.append(line)

    def include(self, other: "LineNotes") -> None:
        """Add what was noted of another part of the file."""
        self.count += other.count
        self.lines = sorted(self.lines + other.lines)[:LINES_SHOWN]

    def warning(self, code: str, message: str) -> list[FileWarning]:
        """A warning about these lines, if there are any."""
        return [FileWarning(code=code, message=message, count=self.count, lines=self.lines)] if self.count else []


class Label:
    """An answer that may come again: how often it came, and where its lines are noted."""

    def __init__(self, notes: tuple[LineNotes, ...]) -> None:
        self.count = 0
        self.notes = notes


class AnswerLabels:
    """The last messages of examples: whether they are labels, and which look unlike the others."""

    def __init__(self) -> None:
        self._labels: dict[str, Label] = {}
        self._are_labels = True
        self._texts: Label | None = None  # of all texts, once they are no labels
        self._shapes: dict[Shape, LineNotes] = {}
        self._unusual = LineNotes()
        self._empty = LineNotes()

    def add(self, line: int, answer: str) -> None:
        """Look at an answer."""
        label = self._labels.get(answer) or self._label(answer)
        label.count += 1
        for notes in label.notes:
            notes.add(line)

    def include(self, other: "AnswerLabels") -> None:
        """Add the answers of another part of the file."""
        self._are_labels = self._are_labels and other._are_labels
        for answer, label in other._labels.items():
            self._label(answer).count += label.count
        for shape, notes in other._shapes.items():
            self._noted(shape).include(notes)
        self._unusual.include(other._unusual)
        self._empty.include(other._empty)

    def warnings(self) -> list[FileWarning]:
        """What is odd about the answers."""
        empty = "The answer is JSON that holds nothing. Leave such examples out, unless that is what is to be learnt."
        return [*self._imbalance(), *self._empty.warning("empty_answer", empty), *self._other_shapes()]

    def _label(self, answer: str) -> Label:
        """The label of an answer, kept for later only while all answers are few and short enough to be labels."""
        if label := self._labels.get(answer):
            return label
        if self._texts and not self._are_labels and not answer.startswith(JSON_STARTS):
            return self._texts
        value = json_or_text(answer)
        notes = self._noted(TEXT if value is answer else shape_of(value))
        label = Label((notes, self._empty) if value in EMPTY_VALUES else (notes,))
        self._are_labels = self._are_labels and len(answer) <= LABEL_CHARACTERS and len(self._labels) < MOST_LABELS
        if self._are_labels:
            self._labels[answer] = label
        elif notes is self._shapes.get(TEXT):
            self._texts = label
        return label

    def _noted(self, shape: Shape) -> LineNotes:
        if shape not in self._shapes:
            if len(self._shapes) == MOST_SHAPES:
                return self._unusual
            self._shapes[shape] = LineNotes()
        return self._shapes[shape]

    def _imbalance(self) -> list[FileWarning]:
        counts = sorted(label.count for label in self._labels.values())
        if (
            not self._are_labels
            or len(counts) < 2
            or sum(counts) < EXAMPLES_PER_LABEL * len(counts)
            or counts[-1] < IMBALANCE * counts[0]
        ):
            return []
        message = (
            f"The answers are {len(counts):,} labels, the commonest in {counts[-1]:,} examples, the rarest in "
            f"{counts[0]:,}. Add examples of rare ones, or cap the common ones."
        )
        rare = sum(count for count in counts if counts[-1] >= IMBALANCE * count)
        return [FileWarning(code="label_imbalance", message=message, count=rare, lines=[])]

    def _other_shapes(self) -> list[FileWarning]:
        if not self._shapes:
            return []
        total = self._unusual.count + sum(notes.count for notes in self._shapes.values())
        usual = max(self._shapes, key=lambda shape: (self._shapes[shape].count, -self._shapes[shape].lines[0]))
        like = {shape for shape in self._shapes if are_alike(shape, usual)}
        if usual == TEXT or 2 * sum(self._shapes[shape].count for shape in like) <= total:
            return []
        others = LineNotes()
        for notes in [self._unusual, *(notes for shape, notes in self._shapes.items() if shape not in like)]:
            others.include(notes)
        message = "Most answers are JSON with the same fields, and these are not. Give all of them one form."
        return others.warning("answer_shape", message)


def json_or_text(answer: str) -> Any:
    """The JSON value that an answer is, or the answer itself where it is a text or its JSON is broken."""
    if not answer.startswith(JSON_STARTS):
        return answer
    try:
        return json.loads(answer)
    except (ValueError, RecursionError):
        return answer


def shape_of(value: Any) -> Shape:
    """The form of JSON: an object's fields with the kinds of their values, of other JSON its kind."""
    if isinstance(value, dict) and len(value) <= MOST_FIELDS:
        return frozenset((name, _kind(part)) for name, part in value.items())
    return (_kind(value),)


def are_alike(one: Shape, other: Shape) -> bool:
    """Whether two shapes are the same; null is of every kind."""
    if one == other or not isinstance(one, frozenset) or not isinstance(other, frozenset):
        return one == other
    first, second = dict(one), dict(other)
    return first.keys() == second.keys() and all(
        kind == second[name] or "null" in (kind, second[name]) for name, kind in first.items()
    )


def _kind(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case dict():
            return "object"
        case _:
            return "array"


Portion = tuple[int, "array[int]", "array[int]"]


class Duplicates:
    """The lines that repeat an example of a line before, by 64 bits of its content: 12 bytes for each example.

    Of several processes each keeps its share, so that together they keep no more than one would.
    """

    def __init__(self, processes: int = 1) -> None:
        self.seen = 0
        self._most = MOST_COMPARED // processes
        self._hashes = [array("q") for _ in range(SHARDS)]
        self._lines = [array("I") for _ in range(SHARDS)]

    def add(self, line: int, content: int) -> None:
        """Take an example by its line and the hash of its content."""
        if self.seen < self._most:
            self.seen += 1
            shard = content % SHARDS
            self._hashes[shard].append(content)
            self._lines[shard].append(line)

    def portions(self) -> Iterator[Portion]:
        """All of it in portions, for another process to include."""
        return ((shard, self._hashes[shard], self._lines[shard]) for shard in range(SHARDS))

    def include(self, portion: Portion) -> None:
        """Add a portion of the examples of another part of the file."""
        shard, hashes, lines = portion
        self.seen += len(hashes)
        self._hashes[shard] += hashes
        self._lines[shard] += lines

    def warnings(self, examples: int) -> list[FileWarning]:
        """That some of so many examples came more than once, if they did."""
        repeats = LineNotes()
        for hashes, lines in zip(self._hashes, self._lines, strict=True):
            if repeated := len(hashes) - len(set(hashes)):
                repeats.include(LineNotes(repeated, _repeating(hashes, lines)))
        among = f" Only the first {self.seen:,} examples were compared." if self.seen < examples else ""
        return repeats.warning("duplicate", f"The same example stands on a line before.{among}")


def _repeating(hashes: "array[int]", lines: "array[int]") -> list[int]:
    """The first ten lines that hold what a line before them holds."""
    repeating: list[int] = []
    seen: set[int] = set()
    for place in sorted(range(len(lines)), key=lines.__getitem__):
        if hashes[place] in seen:
            repeating.append(lines[place])
            if len(repeating) == LINES_SHOWN:
                break
        seen.add(hashes[place])
    return repeating
