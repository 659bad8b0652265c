"""CSV drops: packed or not, by known names or the dataset's own, each problem by its line and column."""

import gzip
from typing import Any

import pytest
import zstandard

from tests.examples import chat
from tests.functions import steps
from tests.world import World
from tuneloop.app import app
from tuneloop.store.objects.segments import read_line

ROUTE, PATH = "PATCH /v1/datasets/{dataset}", "/v1/datasets/support"
TABLE = b'text,label\n"Where, is\nmy order?",late\nAnd my parcel?,lost\n'
MAPPING = {"user": "Customer question", "assistant": "reply", "category": "topic", "quality": "stars"}


def dropped(world: World, content: bytes, name: str = "week 47.csv") -> dict[str, Any]:
    """The drop of that content as its user sees it."""
    world.drop("support", content, name=name)
    answer = world.call("GET /v1/datasets/{dataset}/drops", "/v1/datasets/support/drops").body
    drop: dict[str, Any] = answer["data"][0]
    return drop


def told(drop: dict[str, Any]) -> list[tuple[int, str, str]]:
    return [(problem["line"], problem["path"], problem["code"]) for problem in drop["problems"]]


def changed(world: World, **settings: Any) -> None:
    world.call("POST /v1/datasets", "/v1/datasets", {"id": "support"})
    answer = world.call(ROUTE, PATH, settings)
    assert answer.status == 200, answer.text


def collected(world: World) -> list[Any]:
    """Every collected example's messages and category, as they are stored."""
    segments = app.datasets.segments(world.tenant, "support", 1_000)
    found = [read_line(line).example for segment in segments for line in app.objects.lines(segment.key)]
    return sorted(([message["content"] for message in example.messages], example.category) for example in found)


@pytest.mark.parametrize(
    ("name", "pack"),
    [("a.csv", bytes), ("a.CSV", bytes), ("a.csv.gz", gzip.compress), ("a.csv.zst", zstandard.compress)],
)
def test_a_table_is_collected_packed_or_not(name: str, pack: Any, world: World) -> None:
    drop = dropped(world, pack(TABLE), name)

    assert (drop["status"], drop["lines"], drop["examples"], drop["problems"]) == ("collected", 2, 2, [])
    assert collected(world) == [(["And my parcel?", "lost"], None), (["Where, is\nmy order?", "late"], None)]


def test_a_table_and_lines_of_the_same_examples_are_the_same_examples(world: World) -> None:
    dropped(world, TABLE)

    world.drop("support", [chat("And my parcel?", "lost"), chat("Where, is\nmy order?", "late")])

    assert app.datasets.get(world.tenant, "support").segments == 1


def test_a_dataset_names_the_columns_of_its_tables(world: World) -> None:
    changed(world, csv=MAPPING)

    drop = dropped(world, "id;topic;Customer question;reply;stars\n7;parcels;Wo?;hier;0.9\n".encode("utf-8-sig"))

    assert (drop["status"], drop["problems"]) == ("collected", [])
    assert collected(world) == [(["Wo?", "hier"], "parcels")]
    assert world.call("GET /v1/datasets/{dataset}", PATH).body["csv"]["user"] == "Customer question"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"question,reply\na,b\n", [(1, "$", "unknown_columns")]),
        (b"text,label,note\na,b,c\n", [(1, "$.note", "unknown_column")]),
        (b"text,label\na,b\nc\nd,\n", [(3, "$", "wrong_number_of_cells"), (4, "$.label", "empty_answer")]),
        (b'text,label,quality\n"a\nb",c,0.5\nd,e,5 stars\n', [(4, "$.quality", "invalid_quality")]),
        (b"text,label,source\na,b,correction\n", [(2, "$.source", "reserved_source")]),
        (b"text,label\n\xff,b\n", [(2, "$", "not_utf8")]),
        (b'text,label\na,b\n"c,d\n', [(3, "$", "invalid_csv")]),
        (b"text,label\n", [(0, "$", "empty_file")]),
        (b"", [(0, "$", "empty_file")]),
        (b"input,output\na,b\n", [(2, "$.input", "no_template")]),
    ],
)
def test_a_problem_names_line_and_column_and_nothing_is_added(content: bytes, expected: Any, world: World) -> None:
    drop = dropped(world, content)

    assert told(drop) == expected
    assert (drop["status"], drop["examples"]) == ("rejected", 0)
    assert app.datasets.get(world.tenant, "support").segments == 0


def test_a_problem_names_the_column_by_the_dataset_s_own_name(world: World) -> None:
    changed(world, csv=MAPPING)
    row = "x,a,b,0.5\n"

    drop = dropped(world, f"topic,Customer question,reply,stars\n{row}x,a,,0.5\nx,a,b,6\n".encode())
    missing = dropped(world, f"topic,Customer question,reply\n{row}".encode(), "other.csv")

    assert told(drop) == [(3, "$.reply", "empty_answer"), (4, "$.stars", "invalid_quality")]
    assert told(missing) == [(1, "$.stars", "missing_column")]


def test_unusable_records_may_be_skipped_but_not_inseparable_ones(world: World) -> None:
    changed(world, on_invalid="skip")

    skipped = dropped(world, b"text,label\na,b\nc\nd,e\n")
    broken = dropped(world, b'text,label\nf,g\n"h,i\nj,k\n', "broken.csv")

    assert (skipped["status"], skipped["lines"], skipped["examples"]) == ("collected", 3, 2)
    assert (broken["status"], broken["examples"]) == ("rejected", 0)
    assert app.datasets.get(world.tenant, "support").examples == 2


def test_cells_of_json_fill_a_template_s_places_and_keep_to_its_schema(world: World) -> None:
    schema = {"type": "object", "properties": {"grade": {"type": "integer"}}}
    changed(world, template={"user": "{{title}}, {{year}}", "answer_schema": schema})

    good = dropped(world, b'input;output\n{"title":"A card","year":1986};{"grade": 9}\n')
    bad = dropped(world, b'input;output\nA card;{"grade":9}\n{"title":"A","year":1};{"grade":"9"}\n', "bad.csv")

    assert (good["status"], collected(world)) == ("collected", [(["A card, 1986", '{"grade":9}'], None)])
    assert told(bad) == [
        (2, "$.input", "missing_input"),
        (2, "$.input", "missing_input"),
        (3, "$.output", "breaks_answer_schema"),
    ]


def test_a_table_lies_in_a_split_s_folder_like_any_file(world: World) -> None:
    drop = dropped(world, TABLE, "test/a.csv")

    [segment] = app.datasets.segments(world.tenant, "support", 1)
    assert drop["status"] == "collected"
    assert {read_line(line).split for line in app.objects.lines(segment.key)} == {"test"}


def test_a_table_of_many_answers_trains_like_lines(world: World) -> None:
    rows = [f'"Where is order {n}?",{("late", "lost")[n % 2]}' for n in range(40)]

    world.drop("support", "\n".join(["prompt,completion", *rows]).encode(), name="a.csv")
    world.schedule("collect-examples")
    world.settle()

    assert [run["dataset"] for run in steps.runs(world)] == ["support"]
