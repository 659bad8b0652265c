"""Evaluations of which nobody can tell what a version has seen: they end and say why, with nothing asked."""

from typing import Any

import pytest

from evaluate.overlap import sources_of
from tests.functions import scripted_evaluations, steps
from tests.functions.conftest import Later
from tests.functions.datasets import example_id
from tests.functions.erasures import erase_example
from tests.functions.evaluate.overlaps import Lines, count_looks, reword, sentence_rows, set_training_rows
from tests.functions.scripted_evaluations import ScriptedProvider, as_promotion, evaluate_to_end, prepare_comparison
from tests.unit.factories import a_version
from tests.world import BUCKET, World
from tuneloop.app import app
from tuneloop.domain.chat.examples import Split
from tuneloop.domain.exports.exports import Export
from tuneloop.domain.serving.models import Version

ROWS = 40
HOUR = 3600


def folder_deleted(world: World, export: Export) -> None:
    for found in world.s3.list_objects_v2(Bucket=BUCKET, Prefix=export.folder)["Contents"]:
        world.s3.delete_object(Bucket=BUCKET, Key=found["Key"])


def erase(world: World, rows: Lines, later: Later) -> Export:
    """The export of `earlier` once some of its rows are erased."""
    for row in rows:
        assert erase_example(world, example_id(row), "earlier").status == 202
    later(HOUR)
    world.schedule("erase-examples")
    [export] = app.exports.all(world.tenant, "earlier")
    return export


def swept(world: World, body: dict[str, Any]) -> dict[str, Any]:
    """An evaluation that was asked for and taken up by the sweep, after the clock was moved."""
    asked = scripted_evaluations.request_evaluation(world, body)
    world.schedule("evaluate")
    return scripted_evaluations.read_evaluation(world, asked["id"])


@pytest.mark.parametrize("version", [1, 2], ids=["candidate", "stable"])
def test_where_training_data_is_gone_the_evaluation_ends_and_says_so(version: int, world: World) -> None:
    [body, _] = prepare_comparison(world, sentence_rows(0, ROWS), ("v1", "v2"))
    steps.decide(world, "activate", {"version": 2})
    set_training_rows(world, version, sentence_rows(200, 230))
    [export] = app.exports.all(world.tenant, "earlier")
    folder_deleted(world, export)
    provider = ScriptedProvider(lambda _: "never")

    found = evaluate_to_end(world, as_promotion(body))
    world.schedule("evaluate")

    assert (found["status"], found["error"]["code"]) == ("failed", "training_data_gone")
    assert (found["verdict"]["code"], found["verdict"]["promote"]) == ("unproved", False)
    assert "nobody can tell which test rows it has seen" in found["verdict"]["reason"]
    assert (provider.sent, count_looks(world), found["rows_asked"]) == ([], 0, 0)


def test_where_the_test_s_own_objects_are_gone_the_evaluation_ends_too(world: World) -> None:
    [body] = prepare_comparison(world, sentence_rows(0, ROWS))
    folder_deleted(world, app.exports.get(world.tenant, "support", body["export"]))
    provider = ScriptedProvider(lambda _: "never")

    found = evaluate_to_end(world, body)

    assert (found["status"], found["error"]["code"], provider.sent) == ("failed", "test_data_gone", [])


def test_where_the_test_rows_go_while_it_waits_the_evaluation_ends(world: World) -> None:
    [body] = prepare_comparison(world, sentence_rows(0, ROWS))
    provider = ScriptedProvider(lambda _: scripted_evaluations.be_away())
    asked = evaluate_to_end(world, body)
    folder_deleted(world, app.exports.get(world.tenant, "support", body["export"]))
    provider.script = lambda _: "never"

    world.schedule("evaluate")

    found = scripted_evaluations.read_evaluation(world, asked["id"])
    assert (asked["status"], found["status"], found["error"]["code"]) == ("running", "failed", "test_data_gone")


def test_rows_reworded_from_what_was_erased_prove_nothing(world: World, later: Later) -> None:
    trained = sentence_rows(0, 60)
    [body] = prepare_comparison(world, [reword(row) for row in trained[:ROWS]])
    set_training_rows(world, 1, trained)
    export = erase(world, trained[:ROWS], later)
    provider = ScriptedProvider(lambda _: "never")

    found = swept(world, as_promotion(body))

    assert (export.erased_by_split, export.files[Split.TRAIN].examples) == ({Split.TRAIN: ROWS}, 20)
    assert (found["status"], found["error"]["code"]) == ("failed", "training_data_erased")
    assert (provider.sent, count_looks(world), found["verdict"]["promote"]) == ([], 0, False)


@pytest.mark.parametrize(("erased", "status"), [(12, "completed"), (13, "failed")])
def test_a_fifth_of_the_training_data_may_be_erased_and_no_more(
    erased: int, status: str, world: World, later: Later
) -> None:
    trained = sentence_rows(100, 160)
    [body] = prepare_comparison(world, sentence_rows(0, ROWS))
    set_training_rows(world, 1, trained)
    erase(world, trained[:erased], later)
    ScriptedProvider(lambda _: "never")

    assert swept(world, body)["status"] == status


def test_what_was_erased_of_the_stable_version_s_data_stops_nothing(world: World, later: Later) -> None:
    trained = sentence_rows(100, 160)
    [body, _] = prepare_comparison(world, sentence_rows(0, ROWS), ("v1", "v2"))
    steps.decide(world, "activate", {"version": 2})
    set_training_rows(world, 2, trained)
    erase(world, trained[:ROWS], later)
    ScriptedProvider(lambda _: "never")

    assert swept(world, body)["status"] == "completed"


def test_what_was_erased_of_the_export_that_tests_stops_nothing(world: World, later: Later) -> None:
    trained = steps.questions(30, split="train")
    [body] = prepare_comparison(world, sentence_rows(0, ROWS))
    scripted_evaluations.change_version(world, 1, dataset="support", export=body["export"], provider_model="ft:own")
    for row in trained[:20]:
        assert erase_example(world, example_id(row)).status == 202
    later(HOUR)
    world.schedule("erase-examples")
    ScriptedProvider(lambda _: "never")

    assert swept(world, body)["status"] == "completed"


def test_what_an_older_release_erased_counts_whole(world: World, later: Later) -> None:
    trained = sentence_rows(100, 160)
    [body] = prepare_comparison(world, sentence_rows(0, ROWS))
    set_training_rows(world, 1, trained)
    export = erase(world, trained[:13], later)
    app.exports.rewrite(export.model_copy(update={"erased_by_split": None}))
    again = erase(world, trained[13:14], later)
    ScriptedProvider(lambda _: "never")

    assert (again.erased, again.erased_by_split) == (14, None)
    assert swept(world, body)["error"]["code"] == "training_data_erased"


TRAINED = a_version(
    model="one",
    number=1,
    provider="openai",
    provider_model="ft:a:b::c",
    base_model="gpt-4.1",
    is_finetuned=True,
    dataset="d",
    export="e",
)


@pytest.mark.parametrize(
    ("fields", "is_same"),
    [
        ({"provider_model": "ft:a:b::c"}, True),
        ({"provider_model": "ft:a:b::c:ckpt-step-20"}, True),
        ({"provider_model": "ft:later", "base_model": "ft:a:b::c"}, True),
        ({"provider_model": "arn:aws:x/1", "deployment": "arn:aws:d/1"}, False),
        ({"provider_model": "gpt-4.1", "is_finetuned": False}, False),
        ({"provider_model": "ft:other"}, False),
    ],
)
def test_a_trained_model_is_known_under_another_provider_s_name(fields: dict[str, object], is_same: bool) -> None:
    other = {"model": "two", "provider": "azure", "base_model": "gpt-4.1", "is_finetuned": True, **fields}

    assert sources_of(
        Version.model_validate(TRAINED.model_dump() | {"dataset": None, "export": None} | other), [TRAINED]
    ) == ([TRAINED] if is_same else [])


def test_a_server_that_gives_models_no_ids_is_not_tied_to_other_providers() -> None:
    unnamed = TRAINED.model_copy(update={"provider": "own", "provider_model": "llama", "base_model": "llama"})
    elsewhere = TRAINED.model_copy(
        update={"model": "two", "provider": "azure", "provider_model": "ft:x", "base_model": "llama", "dataset": None}
    )

    assert sources_of(elsewhere, [unnamed]) == []
    assert sources_of(elsewhere.model_copy(update={"provider": "own"}), [unnamed]) == [unnamed]
