"""Test rows that a version has seen, as they are or nearly: found before anything is asked, and asked of nobody."""

import json
from typing import Any

import pytest

from tests.examples import chat
from tests.functions import scripted_evaluations, steps
from tests.functions.conftest import Later
from tests.functions.datasets import collect, example_id, store_review
from tests.functions.erasures import erase_example
from tests.functions.evaluate.overlaps import (
    HOUR,
    ROWS,
    asked_questions,
    count_looks,
    form_letter,
    reword,
    sentence,
    sentence_rows,
    set_training_rows,
)
from tests.functions.exports import freeze_export
from tests.functions.providers import AnswerRecorder
from tests.functions.scripted_evaluations import (
    ScriptedProvider,
    as_promotion,
    evaluate_to_end,
    prepare_comparison,
    read_evaluation,
)
from tests.unit.factories import a_run
from tests.world import BUCKET, World
from tuneloop.app import app
from tuneloop.domain.chat.examples import Split
from tuneloop.domain.training.runs import RunStatus
from tuneloop.store.objects.export_columns import fingerprints_key


@pytest.mark.parametrize(
    ("test", "train", "kinds"),
    [
        (chat(sentence(1), "late"), chat(sentence(1), "late"), {"prompt", "exact", "near_duplicate"}),
        (chat(sentence(1), "late"), chat(sentence(1), "lost"), {"prompt", "near_duplicate"}),
        (chat(sentence(1), "late"), chat(f"  {sentence(1).upper()}", "late"), {"prompt", "exact", "near_duplicate"}),
        (chat(sentence(1), "late", subject="ann"), chat(sentence(2), "lost", subject="ann"), {"subject"}),
        (chat(sentence(1), "late", group="c1"), chat(sentence(2), "lost", group="c1"), {"conversation"}),
        (chat(f"now {sentence(1)} thanks", "late"), chat(sentence(1), "late"), {"near_duplicate"}),
        (chat(sentence(1), "late", "Be kind."), chat(sentence(1), "late", "Be brief."), {"prompt", "near_duplicate"}),
        (chat(sentence(1), "late", subject="ann"), chat(sentence(2), "late", subject="bob"), set()),
        (chat(sentence(1), "late", subject="ann"), chat(sentence(2), "late", group="ann"), set()),
        (chat(sentence(1), "late"), chat(sentence(2), "late"), set()),
    ],
)
def test_what_a_row_shares_with_training_is_counted_by_kind(
    test: dict[str, Any], train: dict[str, Any], kinds: set[str], world: World
) -> None:
    [body] = prepare_comparison(world, [*sentence_rows(100, 130), test])
    set_training_rows(world, 1, [train, *sentence_rows(200, 212)])
    provider = ScriptedProvider(lambda _: "never")

    found = evaluate_to_end(world, body)

    assert found["removed_by"] == dict.fromkeys(kinds, 1)
    assert (found["removed_overlap"], found["rows_available"]) == (bool(kinds), 31)
    assert found["rows_asked"] == found["examples"] == 31 - bool(kinds)
    assert (test["messages"][-2]["content"] in asked_questions(provider)) is not bool(kinds)


def test_rows_with_a_word_put_in_front_are_not_new_and_nothing_is_asked(world: World) -> None:
    trained = sentence_rows(0, 60)
    [body] = prepare_comparison(world, [reword(row) for row in trained[:ROWS]])
    set_training_rows(world, 1, trained)
    provider = ScriptedProvider(lambda _: "never")

    found = evaluate_to_end(world, as_promotion(body))

    assert (found["contaminated"], found["verdict"]["promote"], found["status"]) == (True, False, "completed")
    assert found["removed_overlap"] > ROWS / 2
    assert found["removed_by"] == {"near_duplicate": found["removed_overlap"]}
    assert (found["rows_asked"], found["look"], found["arms"], found["cost_usd"]) == (0, 0, {}, 0)
    assert found["examples"] == ROWS - found["removed_overlap"]
    assert f"{found['removed_overlap']} of {ROWS} test rows were in training data" in found["verdict"]["reason"]
    assert (provider.sent, count_looks(world)) == ([], 0)
    assert [line["action"] for line in steps.history(world)] == ["refuse"]


def test_rows_that_were_seen_are_neither_asked_nor_paid_for(world: World) -> None:
    rows = sentence_rows(0, ROWS)
    [body] = prepare_comparison(world, rows)
    set_training_rows(world, 1, rows[:6])
    provider = ScriptedProvider(
        lambda asked: scripted_evaluations.expected_answer(0) if scripted_evaluations.arm_of(asked) == "v1" else "never"
    )

    found = evaluate_to_end(world, body)

    assert (found["removed_overlap"], found["rows_asked"], found["contaminated"]) == (6, 34, False)
    assert len(provider.sent) == 2 * 34
    assert asked_questions(provider) == {row["messages"][0]["content"] for row in rows[6:]}
    assert {arm["examples"] for arm in found["arms"].values()} == {34}
    assert (found["look"], count_looks(world)) == (1, 1)


@pytest.mark.parametrize(("seen", "flags"), [(8, (False, False)), (9, (True, False))])
def test_a_fifth_may_be_removed_and_no_more(seen: int, flags: tuple[bool, bool], world: World) -> None:
    rows = sentence_rows(0, ROWS)
    [body] = prepare_comparison(world, rows)
    set_training_rows(world, 1, rows[:seen])
    ScriptedProvider(lambda _: "never")

    found = evaluate_to_end(world, body)

    assert (found["contaminated"], found["too_few"]) == flags


def test_where_too_few_are_left_nothing_is_asked(world: World) -> None:
    rows = sentence_rows(0, 23)
    [body] = prepare_comparison(world, rows)
    set_training_rows(world, 1, rows[:4])
    provider = ScriptedProvider(lambda _: "never")

    found = evaluate_to_end(world, body)

    assert (found["too_few"], found["contaminated"], found["examples"], found["look"]) == (True, False, 19, 0)
    assert found["verdict"]["reason"].startswith("19 test rows are too few to prove anything")
    assert (provider.sent, count_looks(world)) == ([], 0)


def test_what_the_stable_version_has_seen_is_removed_as_well(world: World) -> None:
    rows = sentence_rows(0, ROWS)
    [_, body] = prepare_comparison(world, rows, ("v1", "v2"))
    set_training_rows(world, 1, rows[:5])
    steps.decide(world, "activate", {"version": 1})
    ScriptedProvider(lambda _: "never")

    found = evaluate_to_end(world, body)

    assert (found["stable"], found["removed_overlap"]) == (1, 5)


def test_what_trained_a_model_under_another_name_is_seen_by_this_one_too(world: World) -> None:
    rows = sentence_rows(0, ROWS)
    [body, other] = prepare_comparison(world, rows, ("v1", "v2"))
    set_training_rows(world, 1, rows[:5])
    ScriptedProvider(lambda _: "never")

    scripted_evaluations.change_version(world, 2, provider_model="ft:earlier")
    same = evaluate_to_end(world, other)
    steps.registered(world, "second", provider_model="ft:earlier:ckpt-step-20", prompt="v1", is_finetuned=True)
    checkpoint = evaluate_to_end(world, body | {"model": "second", "version": 1})
    further = steps.registered(world, provider_model="ft:later", base_model="ft:earlier", is_finetuned=True)
    tuned_again = evaluate_to_end(world, body | {"version": further})

    assert [found["removed_overlap"] for found in (same, checkpoint, tuned_again)] == [5, 5, 5]


def test_the_prompt_before_an_edit_counts(world: World) -> None:
    rows = sentence_rows(0, ROWS)
    collect(world, sentence_rows(100, 130), dataset="support")
    collect(world, [{**row, "split": "test"} for row in rows], name="test.jsonl")
    store_review(
        world,
        example_id(rows[3]),
        chat("Something that nobody has asked in any such words before", "late", split="test"),
    )
    body = {"model": "support", "version": steps.registered(world, is_finetuned=True), "dataset": "support"}
    body["export"] = freeze_export(world)["id"]
    set_training_rows(world, 1, [rows[3], *sentence_rows(200, 212)])
    ScriptedProvider(lambda _: "never")

    found = evaluate_to_end(world, body)

    assert found["removed_by"] == {"prompt": 1}


def test_an_export_removes_nothing_for_a_version_of_its_own(world: World) -> None:
    short = [chat(f"My order {n} is late, please help", ("late", "lost")[n % 2]) for n in range(4000, 4300)]
    form = [*short, *(form_letter(n) for n in range(4000, 4300))]
    collect(world, [*form, *sentence_rows(0, 100, subject="ann"), *sentence_rows(100, 200)])
    export = freeze_export(world)
    version = steps.registered(world, is_finetuned=True)
    scripted_evaluations.change_version(world, version, dataset="support", export=export["id"], provider_model="ft:own")
    ScriptedProvider(lambda _: "late")

    found = evaluate_to_end(world, {"model": "support", "version": version})

    assert export["in_forms"] >= 300
    assert (found["removed_overlap"], found["removed_by"], found["contaminated"]) == (0, {}, False)
    assert found["rows_asked"] == found["rows_available"] == export["files"]["test"]["examples"] > 50


def test_exports_of_an_older_version_are_looked_into_all_the_same(world: World) -> None:
    rows = sentence_rows(0, ROWS, subject="ann")
    [body] = prepare_comparison(world, rows[:1] + sentence_rows(1, ROWS))
    set_training_rows(world, 1, [*sentence_rows(300, 312), chat(sentence(500), "late", subject="ann")])
    for dataset in ("support", "earlier"):
        for export in app.exports.all(world.tenant, dataset):
            world.s3.delete_object(Bucket=BUCKET, Key=fingerprints_key(export.folder))
    ScriptedProvider(lambda _: "never")

    found = evaluate_to_end(world, body)

    assert found["removed_by"] == {"subject": 1}
    again = evaluate_to_end(world, body | {"version": steps.registered(world, prompt="v2")})
    assert again["removed_overlap"] == 0


def test_one_whose_rows_are_erased_looks_for_overlap_anew(world: World, later: Later) -> None:
    rows = sentence_rows(0, ROWS)
    [body] = prepare_comparison(world, rows)
    set_training_rows(world, 1, rows[:4])
    provider = ScriptedProvider(lambda _: scripted_evaluations.be_away())
    asked = evaluate_to_end(world, body)
    assert (asked["status"], asked["removed_overlap"], asked["look"]) == ("running", 4, 1)
    for row in (rows[1], rows[20]):
        erase_example(world, example_id(row))
    later(HOUR)
    world.schedule("erase-examples")
    provider.script = lambda _: "never"

    world.schedule("evaluate")

    found = read_evaluation(world, asked["id"])
    assert (found["status"], found["removed_overlap"], found["rows_available"]) == ("completed", 3, ROWS - 2)
    assert asked_questions(provider) >= {row["messages"][0]["content"] for row in rows[4:] if row != rows[20]}
    assert (found["rows_asked"], found["look"], count_looks(world)) == (ROWS - 5, 1, 1)


def test_what_a_version_was_validated_on_in_another_dataset_is_seen_too(world: World) -> None:
    rows = sentence_rows(0, ROWS)
    [body] = prepare_comparison(world, rows)
    set_training_rows(world, 1, sentence_rows(200, 212))
    collect(world, [{**row, "split": "train"} for row in rows[:5]], dataset="checks")
    validation = {"validation_dataset": "checks", "validation_export": freeze_export(world, "checks")["id"]}
    app.runs.save(a_run(tenant=world.tenant, id="run-checked", status=RunStatus.SUCCEEDED, **validation))
    scripted_evaluations.change_version(world, 1, run="run-checked")
    ScriptedProvider(lambda _: "never")

    assert evaluate_to_end(world, body)["removed_overlap"] == 5


def test_a_version_that_the_loop_trained_is_not_proved_by_reworded_rows(live: World) -> None:
    rows = sentence_rows(0, 120)
    steps.settled(live, rows)
    [run] = steps.runs(live)
    steps.followed(live, run["id"])
    live.settle()
    steps.decide(live, "deactivate")
    first = app.exports.get(live.tenant, "support", run["export"])
    trained = [json.loads(line) for line in app.objects.lines(first.files[Split.TRAIN].key)]
    live.call("PATCH /v1/datasets/{dataset}", "/v1/datasets/support", {"on_drop": "collect"})
    live.drop("support", [reword(row) for row in trained[:ROWS]], name="test/leak.jsonl")
    live.schedule("collect-examples")
    live.settle()
    second = app.exports.page(live.tenant, "support", 1, None).data[0]
    provider, before, taken = AnswerRecorder(), scripted_evaluations.list_evaluations(live), count_looks(live)

    asked = {"model": "support", "version": 1, "dataset": "support", "export": second.id}
    found = evaluate_to_end(live, as_promotion(asked))

    assert second.left_out["kept_out"] > ROWS / 4
    assert (found["contaminated"], found["verdict"]["promote"], found["look"]) == (True, False, 0)
    assert found["removed_overlap"] > ROWS / 4
    assert (provider.sent, count_looks(live)) == ([], taken)
    assert (len(before), steps.deployment(live)["stable"]) == (1, 0)
