"""The rules' version belongs to a revision: what an older version wrote is frozen as it would have been then."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.examples import chat
from tests.functions import steps
from tests.functions.datasets import collect, small_talk
from tests.functions.exports import (
    freeze_export,
    held_out_questions,
    list_exports,
    read_export,
    split_lines,
    user_question,
)
from tests.functions.review_steps import on, page, reviewed, told
from tests.world import BUCKET, World
from tuneloop.app import app
from tuneloop.domain.datasets.policy import DEFAULT, FIRST_RULES, LATEST_RULES
from tuneloop.domain.exports.exports import export_id
from tuneloop.store import keys
from tuneloop.store.dynamodb import to_item

ENOUGH_TESTED = "s3"  # a salt by which at least 20 of the 60 questions are drawn for the test
NEW_OF_DATASETS: tuple[str, ...] = ("rules",)
NEW_OF_EXPORTS: tuple[str, ...] = ("rules", "marked", "min_user_characters", "length_basis")


def written_before(world: World, dataset: str = "support") -> None:
    """Take out of the rows what older versions didn't write, as a table that was written before the upgrade has it."""
    stored = [(keys.dataset(world.tenant, dataset), NEW_OF_DATASETS)]
    stored += [(keys.export(world.tenant, dataset, found["id"]), NEW_OF_EXPORTS) for found in list_exports(world)]
    for key, names in stored:
        app.table.client.update_item(
            TableName=app.table.name,
            Key=to_item(key._asdict()),
            UpdateExpression="REMOVE " + ", ".join(f"#{name}" for name in names),
            ExpressionAttributeNames={f"#{name}": name for name in names},
        )


def looked_at(world: World) -> None:
    """Everything that users and schedules do without changing anything."""
    for what in ("eligibility", "statistics", "estimate"):
        told(world, what)
    for function in ("collect-examples", "launch-finetune", "check-status", "evaluate", "erase-examples"):
        world.schedule(function)
    world.settle()


def quiet_chats(world: World, number: int = 12) -> None:
    """Short chats in a dataset that an older version has written and not yet frozen."""
    collect(world, small_talk(number))
    written_before(world)


def test_an_upgrade_alone_makes_no_export_no_run_and_no_look(live: World) -> None:
    steps.settled(live, steps.support(200))
    steps.followed(live, steps.runs(live)[0]["id"])
    looked_at(live)
    written_before(live)
    before, [first], events = everything_of(live), list_exports(live), len(live.events)

    looked_at(live)
    again = freeze_export(live)

    assert before["evaluations"]
    assert everything_of(live) == before
    assert first["id"] == again["id"] == export_id(live.tenant, "support", 1, DEFAULT)
    assert again["files"]["train"]["sha256"] == first["files"]["train"]["sha256"]
    assert not {event["detail-type"] for event in live.events[events:]}


def everything_of(world: World) -> dict[str, list[str]]:
    """The ids of all exports, runs and evaluations, and how often the gate looked."""
    evaluations = world.call("GET /v1/evaluations", "/v1/evaluations").body["data"]
    return {
        "exports": [found["id"] for found in list_exports(world)],
        "runs": [run["id"] for run in steps.runs(world)],
        "evaluations": [found["id"] for found in evaluations],
        "looks": [str(found.get("look")) for found in evaluations],
    }


def test_a_revision_of_before_is_frozen_by_the_rules_of_before(world: World) -> None:
    quiet_chats(world)

    eligible = told(world, "eligibility")
    found = freeze_export(world)

    assert (eligible["current_examples"], eligible["eligible"]) == (0, False)
    assert found["left_out"] == {"too_short": 12}
    assert "12 are shorter than min_user_characters 20; set it to 0 for short chats." in eligible["recommendation"]
    assert app.exports.get(world.tenant, "support", found["id"]).rules == FIRST_RULES


@pytest.mark.parametrize("change", ["examples", "review", "policy"])
def test_the_latest_rules_hold_from_the_next_change_on(change: str, world: World) -> None:
    quiet_chats(world)
    first = freeze_export(world)

    if change == "examples":
        collect(world, [chat("one more then", "ok")], name="more.jsonl")
    elif change == "review":
        reviewed(world, on(page(world)[0], status="approved"))
    else:
        world.call("PATCH /v1/datasets/{dataset}", "/v1/datasets/support", {"policy": {"max_examples": 1000}})
    second = freeze_export(world)

    assert second["left_out"] == {}
    assert first["left_out"] == {"too_short": 12} == read_export(world, first["id"])["left_out"]
    row = app.datasets.get(world.tenant, "support")
    assert [row.rules_at(revision) for revision in (1, 2, 3)] == [FIRST_RULES, LATEST_RULES, LATEST_RULES]


def test_settings_that_change_no_revision_change_no_rules(world: World) -> None:
    quiet_chats(world)

    world.call("PATCH /v1/datasets/{dataset}", "/v1/datasets/support", {"required_examples": 12, "on_drop": "collect"})

    assert freeze_export(world)["left_out"] == {"too_short": 12}


def test_a_new_dataset_has_the_latest_rules_at_once(world: World) -> None:
    collect(world, small_talk(12))

    found = freeze_export(world)

    assert found["left_out"] == {}
    assert app.exports.get(world.tenant, "support", found["id"]).rules == LATEST_RULES


def test_figures_that_an_older_version_kept_are_counted_again(world: World) -> None:
    collect(world, steps.questions(12))
    told(world, "statistics")
    key = keys.statistics(world.tenant, "support")
    kept = app.statistics.find(world.tenant, "support")
    assert kept
    app.statistics.save(
        world.tenant,
        "support",
        kept.model_copy(update={"form": 1, "counted": kept.counted.model_copy(update={"usable": 3})}),
    )

    assert told(world, "statistics")["usable"] == 12
    assert app.table.holds(key)


def refusals_of(world: World, policy: Any) -> list[int]:
    """What creating a dataset and changing one say of a policy."""
    created = world.call("POST /v1/datasets", "/v1/datasets", {"id": "other", "policy": policy})
    world.call("POST /v1/datasets", "/v1/datasets", {"id": "support"})
    changed = world.call("PATCH /v1/datasets/{dataset}", "/v1/datasets/support", {"policy": policy})
    return [created.status, changed.status]


@pytest.mark.parametrize(
    "policy",
    [{"validation": 0.5}, {"test": -0.1}, {"test": "most"}, {"validation": None}, {"take_test": False, "test": 0.2}],
    ids=str,
)
def test_shares_that_make_no_sense_are_refused_by_every_route(policy: dict[str, Any], world: World) -> None:
    assert refusals_of(world, policy) == [422, 422]


@pytest.mark.parametrize(
    ("number", "policy", "validation", "test"),
    [
        (200, {"validation": 0, "test": 0}, (0, 0), (0, 0)),
        (200, {"validation": 0.4, "test": 0.4}, (60, 100), (60, 100)),
        (200, {"validation": 0, "test": 0.1}, (0, 0), (8, 35)),
        (10, {"validation": 0.4, "test": 0.4}, (0, 0), (0, 0)),
        (15, {"validation": 0.4}, (1, 5), (0, 0)),
        (49, {"test": 0.4}, (0, 10), (0, 0)),
    ],
    ids=str,
)
def test_a_dataset_is_divided_as_its_policy_says(
    number: int, policy: dict[str, Any], validation: tuple[int, int], test: tuple[int, int], world: World
) -> None:
    created = world.call("POST /v1/datasets", "/v1/datasets", {"id": "support", "on_drop": "collect", "policy": policy})
    world.drop("support", steps.questions(number))
    estimate = told(world, "estimate")["estimates"][0]

    found = freeze_export(world)

    files = {split: file["examples"] for split, file in found["files"].items()}
    assert created.body["policy"]["validation"] == policy.get("validation", 0.1)
    assert validation[0] <= files["validation"] <= validation[1]
    assert test[0] <= files["test"] <= test[1]
    assert files["train"] >= 10
    assert estimate["examples"] == pytest.approx(files["train"], abs=0.12 * number)


def trained(world: World, number: int) -> list[str]:
    """What a version has seen: the prompts that train or validate in the dataset's first export, which tests none."""
    steps.settled(world, steps.questions(number))
    [run] = steps.runs(world)
    steps.followed(world, run["id"])
    world.settle()
    assert steps.look(world, run["id"])["version"] == 1
    return [
        user_question(line)
        for split in ("train", "validation")
        for line in split_lines(world, list_exports(world)[0], split)
    ]


def grown(world: World) -> dict[str, Any]:
    """The next export, with so many more prompts that a test is drawn."""
    world.drop(
        "support", [chat(f"When does shop {n} open?", ("at 8", "at 9")[n % 2]) for n in range(150)], name="b.jsonl"
    )
    return freeze_export(world)


def test_what_a_version_was_trained_on_is_drawn_for_no_later_test(live: World) -> None:
    seen = trained(live, 45)

    found = grown(live)

    assert len(seen) > 35
    assert len(held_out_questions(live, found)) >= 20
    assert not held_out_questions(live, found) & set(seen)
    learnt = {user_question(line) for split in ("train", "validation") for line in split_lines(live, found, split)}
    assert learnt >= set(seen)


@pytest.mark.parametrize("gone", ["mark", "mark and fingerprints"])
def test_versions_of_before_are_known_too(gone: str, live: World) -> None:
    seen = trained(live, 45)
    first = app.exports.get(live.tenant, "support", list_exports(live)[0]["id"])
    key = keys.trained_export(live.tenant, "support", first.id)
    app.table.client.delete_item(TableName=app.table.name, Key=to_item(key._asdict()))
    if gone != "mark":
        live.s3.delete_object(Bucket=BUCKET, Key=f"{first.folder}/fingerprints.bin")

    found = grown(live)

    assert held_out_questions(live, found)
    assert not held_out_questions(live, found) & set(seen)


def test_an_export_that_made_no_version_takes_nothing_from_a_test(world: World) -> None:
    collect(world, steps.questions(45))
    first = {user_question(line) for line in split_lines(world, freeze_export(world), "train")}

    found = grown(world)

    assert held_out_questions(world, found) & first


def test_a_version_that_comes_to_be_while_an_export_is_written_is_heeded(
    live: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = trained(live, 45)
    known = app.trained.exports
    answers: Iterator[list[str]] = iter([[]])
    monkeypatch.setattr(app.trained, "exports", lambda dataset: next(answers, None) or known(dataset))

    found = grown(live)

    assert held_out_questions(live, found)
    assert not held_out_questions(live, found) & set(seen)


def test_a_test_of_the_user_s_own_is_kept_though_it_was_trained_on(live: World) -> None:
    seen = trained(live, 45)

    live.drop("support", [chat(seen[0], "late"), chat(seen[1], "late")], name="test/own.jsonl")

    assert held_out_questions(live, freeze_export(live)) == set(seen[:2])


def test_what_was_tested_with_before_is_named_where_it_leaves_too_few(world: World) -> None:
    collect(world, steps.questions(60))
    app.datasets.save(app.datasets.get(world.tenant, "support").model_copy(update={"salt": ENOUGH_TESTED}))
    first = freeze_export(world)
    learnt = {user_question(line) for split in ("train", "validation") for line in split_lines(world, first, split)}
    examples = page(world, limit="100")
    gone = [example for example in examples if example["content"]["messages"][0]["content"] in learnt][5:]
    reviewed(world, *(on(example, status="rejected") for example in gone))

    found = freeze_export(world)
    eligible = told(world, "eligibility")

    tested = first["files"]["test"]["examples"]
    assert tested >= 20
    assert not eligible["eligible"]
    assert f"Current: 5 to train on, {tested} for validation and test." in eligible["recommendation"]
    assert f"{tested} were tested with before and can't train; add others." in eligible["recommendation"]
    assert found["files"]["train"]["examples"] == 5


def without_objects(world: World, export: str) -> None:
    """An export whose objects somebody deleted, as he may."""
    prefix = app.exports.get(world.tenant, "support", export).prefix
    for entry in world.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix)["Contents"]:
        world.s3.delete_object(Bucket=BUCKET, Key=entry["Key"])


def test_a_dataset_whose_trained_export_was_deleted_is_frozen_nonetheless(live: World) -> None:
    trained(live, 45)
    without_objects(live, list_exports(live)[0]["id"])

    assert grown(live)["status"] == "frozen"


def test_figures_of_a_deleted_export_are_those_of_the_filters(world: World) -> None:
    collect(world, steps.questions(20))
    without_objects(world, freeze_export(world)["id"])

    eligible = told(world, "eligibility")

    assert (eligible["basis"], eligible["current_examples"]) == ("filters", 20)
