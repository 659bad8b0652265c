"""Finding: what is told by a few bytes is what parsing would have told, whatever is said and however it is written."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.factories import an_example
from tuneloop.domain.chat.examples import Example, Split
from tuneloop.domain.datasets.example_filter import ExampleFilter, texts_in
from tuneloop.domain.datasets.reviews import UNDECIDED, Decision, Status
from tuneloop.store.objects.merge import k_way_merge
from tuneloop.store.objects.search import Search
from tuneloop.store.objects.segments import Lines, line_of, read_line

PIECE = 100  # bytes, of which a line has many times as many
NOW = datetime(2026, 11, 21, tzinfo=UTC)
WORDS = st.sampled_from(
    [
        "refund",
        "Refund",
        "ÜBER",
        "über",
        "ß",
        "user",
        "role",
        "content",
        "late",
        "true",
        "e",
        '"',
        "\\",
        'a"b',
        "\n",
        "5",
    ]
)
SAID = st.lists(WORDS, min_size=1, max_size=4).map(" ".join)
NAMES = st.sampled_from(["a", "b", 'say "a"', "ü", "back\\slash", 'x,"content":', '"category":"a"', "quality"])
QUALITIES = st.sampled_from([0, 0.25, 0.5, 1])
TOOLS = [{"type": "function", "function": {"name": "refund", "description": "Refund it over there."}}]


@st.composite
def examples(draw: st.DrawFn) -> Example:
    ours: dict[str, Any] = {
        "category": draw(st.none() | NAMES),
        "source": draw(st.none() | NAMES),
        "quality": draw(st.none() | QUALITIES),
        "split": draw(st.none() | st.sampled_from(Split)),
        "created_at": draw(st.none() | st.integers(0, 3).map(lambda days: (NOW - timedelta(days=days)).isoformat())),
        "tools": draw(st.none() | st.just(TOOLS)),
    }
    given = {name: value for name, value in ours.items() if value is not None}
    return an_example(f"? {draw(SAID)}", f"! {draw(SAID)}", **given)


WANTED = st.builds(
    ExampleFilter,
    status=st.none() | st.sampled_from(Status),
    category=st.none() | NAMES,
    source=st.none() | NAMES,
    split=st.none() | st.sampled_from(Split),
    preference=st.none() | st.booleans(),
    min_quality=st.none() | QUALITIES,
    max_quality=st.none() | QUALITIES,
    text=st.none() | SAID | WORDS,
)
DECISIONS = st.builds(
    Decision,
    number=st.just(1),
    status=st.sampled_from(Status),
    quality=st.none() | QUALITIES,
    category=st.none() | NAMES,
    line=st.none() | examples().map(lambda example: line_of(example).text.decode()),
)


def says(example: Example, text: str) -> bool:
    return any(text.casefold() in said.casefold() for said in texts_in(example.content))


def naive(lines: Lines, decisions: dict[bytes, Decision], wanted: ExampleFilter) -> list[str]:
    """What is found by parsing everything."""
    found = []
    for identity, line in sorted({read_line(line).id: line for line in lines}.items()):
        decision = decisions.get(identity.encode(), UNDECIDED)
        stored = read_line(decision.line.encode() if decision.line else line)
        if wanted.matches(stored, decision) and (wanted.text is None or says(stored.example, wanted.text)):
            found.append(identity)
    return found


def blocks_of(lines: Lines) -> Iterator[Lines]:
    return iter([list(lines)] if lines else [])


def pieces_of(lines: Lines) -> Iterator[bytes]:
    content = b"".join(line + b"\n" for line in lines)
    return (content[start : start + PIECE] for start in range(0, len(content), PIECE))


def found(sources: list[Lines], decisions: dict[bytes, Decision], wanted: ExampleFilter) -> list[str]:
    search = Search(wanted, decisions)
    with k_way_merge([partial(search.lines_in, pieces_of(lines)) for lines in sources]) as shortened:
        return [hit.id for hit in search.hits(shortened, lambda: None)]


def test_a_letter_that_folds_into_others_is_found() -> None:
    lines = [line_of(an_example("Die Straße?", "nein")).text]

    assert all(found([lines], {}, ExampleFilter(text=text)) for text in ("STRAßE", "straße", "STRASSE"[:4]))


def test_lines_that_are_cut_sort_as_whole_ones_do() -> None:
    bare, named = line_of(an_example("Late?", "yes")).text, line_of(an_example("Late?", "yes", category="a")).text

    cut = [
        line for lines in Search(ExampleFilter(text="nobody"), {}).lines_in(pieces_of([named, bare])) for line in lines
    ]

    assert named < bare
    assert cut == sorted(cut)


@given(st.lists(examples(), max_size=8, unique_by=lambda each: each.id), WANTED, st.data())
def test_bytes_tell_what_parsing_tells(drawn: list[Example], wanted: ExampleFilter, data: st.DataObject) -> None:
    lines = sorted(line_of(each).text for each in drawn)
    decided = data.draw(st.sets(st.sampled_from([each.id for each in drawn]))) if drawn else set()
    decisions = {each.encode(): with_id(data.draw(DECISIONS), each) for each in sorted(decided)}
    halves = [lines[::2], lines[1::2]]

    assert found(halves, decisions, wanted) == naive(lines, decisions, wanted)


def with_id(decision: Decision, identity: str) -> Decision:
    """A decision whose edit, if it is one, lies under the example's old id."""
    if decision.line is None:
        return decision
    edited = read_line(decision.line.encode()).example.model_copy(update={"id": identity})
    return decision._replace(line=line_of(edited).text.decode())


@given(st.lists(st.lists(examples(), max_size=5), min_size=1, max_size=4), WANTED)
def test_of_an_example_that_came_often_the_line_that_counts_is_read(
    drawn: list[list[Example]], wanted: ExampleFilter
) -> None:
    sources = [sorted({line_of(each).text for each in some}) for some in drawn]
    with k_way_merge([partial(blocks_of, lines) for lines in sources]) as blocks:
        counting = [line for block in blocks for line in block]

    assert found(sources, {}, wanted) == naive(counting, {}, wanted)
