"""Looks at test rows: taken once each time they are asked, whoever dies, and whatever version began."""

import json
from itertools import count
from typing import Any

import pytest

from evaluate.ask import EvaluationObjects
from tests.functions import steps
from tests.functions.conftest import Later
from tests.functions.evaluate.overlaps import (
    HOUR,
    ROWS,
    Lines,
    asked_questions,
    count_looks,
    sentence_rows,
    set_training_rows,
)
from tests.functions.scripted_evaluations import (
    ScriptedProvider,
    as_promotion,
    evaluate_to_end,
    prepare_comparison,
    read_evaluation,
    request_evaluation,
)
from tests.functions.write_faults import dies_at_write
from tests.world import BUCKET, World, staged
from tuneloop.app import app, utc_now
from tuneloop.domain.chat.examples import Split
from tuneloop.domain.evaluation.evaluations import ArmName, Evaluation, EvaluationStatus, ScoredAnswer
from tuneloop.store import keys
from tuneloop.store.dynamodb import PutOnce
from tuneloop.store.objects.export_columns import fingerprints_key
from tuneloop.store.repositories.evaluations import LOOKS_KEPT


def test_a_look_is_taken_when_rows_are_asked_and_by_nothing_else(world: World) -> None:
    rows = sentence_rows(0, ROWS)
    [leaky, clean] = prepare_comparison(world, rows, ("v1", "v2"))
    set_training_rows(world, 1, rows)
    ScriptedProvider(lambda _: "never")

    refused, first = evaluate_to_end(world, leaky), evaluate_to_end(world, clean)
    second = evaluate_to_end(world, clean | {"version": steps.registered(world, prompt="v3")})

    assert [found["look"] for found in (refused, first, second)] == [0, 1, 2]
    assert count_looks(world) == 2


def test_once_the_year_s_looks_are_spent_promotions_ask_nothing_reports_do(world: World, later: Later) -> None:
    [body] = prepare_comparison(world, sentence_rows(0, ROWS))
    for number in range(1, 13):
        app.table.commit(PutOnce(keys.look(world.tenant, "support", number), utc_now(), LOOKS_KEPT))
    provider = ScriptedProvider(lambda _: "never")

    refused = evaluate_to_end(world, as_promotion(body))
    nothing_sent = provider.sent == []
    report = evaluate_to_end(world, body)
    later(LOOKS_KEPT.total_seconds() + HOUR)
    asked = request_evaluation(world, as_promotion(body | {"version": steps.registered(world, prompt="v2")}))
    world.schedule("evaluate")
    next_year = read_evaluation(world, asked["id"])

    assert (refused["status"], refused["error"]["code"], refused["look"]) == ("failed", "looks_spent", 0)
    assert (refused["rows_asked"], refused["verdict"]["promote"], nothing_sent) == (0, False, True)
    assert "were looked at 12 times within a year" in refused["verdict"]["reason"]
    assert (report["status"], report["look"], report["rows_asked"]) == ("completed", 13, ROWS)
    assert (next_year["status"], next_year["look"]) == ("completed", 1)


def test_wherever_a_worker_dies_one_look_is_taken_and_each_row_asked_once(
    monkeypatch: pytest.MonkeyPatch, later: Later
) -> None:
    for at in count(1):
        with staged(monkeypatch) as world:
            later(0)
            rows = sentence_rows(0, 30)
            [body] = prepare_comparison(world, rows)
            set_training_rows(world, 1, rows[:3])
            for export in app.exports.all(world.tenant, "earlier"):
                world.s3.delete_object(Bucket=BUCKET, Key=fingerprints_key(export.folder))
            provider = ScriptedProvider(lambda _: "never")
            asked = request_evaluation(world, body)
            is_dead = dies_at_write(at, monkeypatch, lambda: world.schedule("evaluate"))
            before = count_looks(world)
            later(HOUR)
            world.schedule("evaluate")

            found = read_evaluation(world, asked["id"])
            assert (found["status"], found["removed_overlap"], found["look"], count_looks(world)) == (
                "completed",
                3,
                1,
                1,
            )
            assert asked_questions(provider) == {row["messages"][0]["content"] for row in rows[3:]}
            assert before in (0, 1), at
        if not is_dead:
            assert at > 8
            return


def test_one_that_an_older_version_began_goes_on_without_another_look(world: World) -> None:
    rows = sentence_rows(0, ROWS)
    [body] = prepare_comparison(world, rows)
    set_training_rows(world, 1, rows[:4])
    asked = begun_by_an_older_version(world, body)
    assert count_looks(world) == 1
    provider = ScriptedProvider(lambda _: "never")

    world.schedule("evaluate")

    found = read_evaluation(world, asked.id)
    assert (found["status"], found["removed_overlap"], found["rows_asked"]) == ("completed", 4, ROWS - 4)
    assert (found["look"], count_looks(world)) == (1, 1)
    [answered] = [row["messages"][0]["content"] for row in rows_of_test(world, body)[9:10]]
    assert ("v1", answered) not in provider.answered
    assert found["arms"]["candidate"]["examples"] == ROWS - 4


def test_one_that_older_code_began_on_a_leaky_test_ends_asking_no_more(world: World) -> None:
    rows = sentence_rows(0, ROWS)
    [body] = prepare_comparison(world, rows)
    set_training_rows(world, 1, rows)
    asked = begun_by_an_older_version(world, body)
    provider = ScriptedProvider(lambda _: "never")

    world.schedule("evaluate")

    found = read_evaluation(world, asked.id)
    assert (found["contaminated"], found["verdict"]["promote"], found["look"]) == (True, False, 1)
    assert (provider.sent, count_looks(world)) == ([], 1)


def rows_of_test(world: World, body: dict[str, Any]) -> Lines:
    export = app.exports.get(world.tenant, "support", body["export"])
    return [json.loads(line) for line in app.objects.lines(export.files[Split.TEST].key)]


def begun_by_an_older_version(world: World, body: dict[str, Any]) -> Evaluation:
    """An evaluation as older versions left it: its look taken when it was asked for, one row answered."""
    asked = app.evaluations.get(world.tenant, request_evaluation(world, body)["id"])
    app.table.commit(PutOnce(keys.look(world.tenant, "support", 1), utc_now(), LOOKS_KEPT))
    versions = [app.models.version(world.tenant, "support", number) for number in (1, 0)]
    EvaluationObjects(app.objects).write_versions(asked, versions)
    EvaluationObjects(app.objects).write_part(asked, ArmName.CANDIDATE, [ScoredAnswer(row=9, right=True)])
    begun = {"status": EvaluationStatus.RUNNING, "look": 1, "rows_asked": ROWS, "parts": {ArmName.CANDIDATE: 1}}
    return app.evaluations.save(asked.model_copy(update=begun), now=utc_now())
