"""export-data through its real entry point."""

import json
from typing import Any

from tests.examples import chat
from tests.functions import steps
from tests.functions.datasets import collect
from tests.functions.exports import (
    EXPORTS,
    freeze_export,
    list_exports,
    read_export,
    request_export,
    split_lines,
    user_question,
)
from tests.world import BUCKET, World, invoke
from tuneloop.app import app
from tuneloop.domain.exports.columns import OUTCOME_OF, Outcome

NUMBERS = ["one", "two", "three", "four"]
LONG = "I ordered a green chair with a wooden back last week and nobody has told me since then when it comes"
SYSTEM = "You sort messages. Answer with the one intent that fits."


def test_an_export_is_asked_for_and_read_when_it_is_frozen(world: World) -> None:
    collect(world, steps.questions(60))

    asked = request_export(world).body
    before = read_export(world, asked["id"])
    world.settle()
    after = read_export(world, asked["id"])

    assert (asked["status"], before["status"], after["status"]) == ("freezing", "freezing", "frozen")
    assert sum(file["examples"] for file in after["files"].values()) == 60
    assert all(file["url"].startswith("https://") for file in after["files"].values())
    assert [found["id"] for found in list_exports(world)] == [asked["id"]]


def test_the_export_of_a_run_is_known_before_it_is_frozen(world: World) -> None:
    collect(world, steps.questions(60))
    run = world.call("POST /v1/training-runs", "/v1/training-runs", {"dataset": "support"}).body
    collect(world, steps.questions(70), name="more.jsonl")

    found = read_export(world, run["export"])

    assert (found["id"], found["revision"], found["status"]) == (run["export"], 1, "freezing")


def test_a_requested_export_is_known_though_a_later_revision_settled(world: World) -> None:
    collect(world, steps.questions(60))
    asked = request_export(world).body
    collect(world, steps.questions(70), name="more.jsonl")
    world.schedule("collect-examples")

    found = read_export(world, asked["id"])
    unknown = world.call("GET /v1/datasets/{dataset}/exports/{export}", f"{EXPORTS}/export-1")

    assert app.datasets.get(world.tenant, "support").settled_revision == 2
    assert (found["revision"], found["status"], unknown.status) == (1, "freezing", 404)


def test_what_is_frozen_stays_as_it_is(world: World) -> None:
    collect(world, steps.questions(60))
    first = freeze_export(world)

    again = request_export(world)
    world.settle()

    assert (again.status, again.body["status"], again.body["id"]) == (202, "frozen", first["id"])
    assert world.delivered.count("ExportCreated") == 1
    assert read_export(world, first["id"])["files"]["train"]["sha256"] == first["files"]["train"]["sha256"]


def test_an_event_delivered_twice_freezes_once(world: World) -> None:
    collect(world, steps.questions(60))
    first = freeze_export(world)

    for event in [event for event in world.events if event["detail-type"] == "DatasetSettled"]:
        invoke("export-data", event)
    world.settle()

    assert world.delivered.count("ExportCreated") == 1
    assert [found["created_at"] for found in list_exports(world)] == [first["created_at"]]


def test_what_was_trained_on_is_never_tested_on_later(world: World) -> None:
    collect(world, steps.questions(60))
    first = freeze_export(world)

    collect(world, [chat(f"When does shop {n} open?", "hours") for n in range(400)], name="more.jsonl")
    second = freeze_export(world)

    assert second["id"] != first["id"]
    trained, tested = split_lines(world, first, "train"), split_lines(world, second, "test")
    assert trained
    assert tested
    assert not {user_question(line) for line in trained} & {user_question(line) for line in tested}


def test_no_prompt_lies_in_two_files(world: World) -> None:
    twice = [chat(f"where is  ORDER {n}?", "lost") for n in range(0, 60, 3)]
    collect(world, [*steps.questions(60), *twice])

    found = freeze_export(world)

    splits = [
        {" ".join(user_question(line).casefold().split()) for line in split_lines(world, found, name)}
        for name in found["files"]
    ]
    assert sum(map(len, splits)) == len(set.union(*splits)) == 40
    assert found["overlaps"] == dict.fromkeys(["prompt", "exact", "near_duplicate", "subject", "conversation"], 0)
    assert (found["conflicting_prompts"], found["left_out"], found["distinct_answers"]) == (20, {"conflicting": 40}, 2)


def test_the_same_example_twice_is_written_once(world: World) -> None:
    lines = steps.questions(20)
    collect(world, [*lines, *lines[:5]])

    found = freeze_export(world)

    assert sum(file["examples"] for file in found["files"].values()) == 20


def test_marks_and_folders_decide_where_an_example_goes(world: World) -> None:
    collect(world, steps.questions(20, split="train"))
    collect(world, [chat(f"And parcel {n}?", "late") for n in range(7)], name="test/own.jsonl")
    collect(world, [chat(f"And letter {n}?", "late") for n in range(3)], name="validation/own.jsonl")

    found = freeze_export(world)

    examples = {name: file["examples"] for name, file in found["files"].items()}
    assert examples == {"train": 20, "validation": 3, "test": 7}


def test_the_files_hold_what_a_provider_reads_and_nothing_of_ours(world: World) -> None:
    collect(world, steps.questions(20, subject="user-1", source="tickets", quality=0.9))

    found = freeze_export(world)

    written = [line for split in found["files"] for line in split_lines(world, found, split)]
    assert {name for line in written for name in line} == {"messages"}


def test_versions_get_their_examples_prompt_and_the_base_names_the_answers(world: World) -> None:
    collect(world, [chat(f"Where is order {n}?", ("late", "lost")[n % 2], SYSTEM) for n in range(60)])

    found = freeze_export(world)

    kept = app.exports.get("acme", "support", found["id"])
    assert kept.prompt == SYSTEM
    assert kept.base_prompt
    assert kept.base_prompt.startswith(SYSTEM)
    assert kept.base_prompt.splitlines()[-2:] == ["late", "lost"]


def test_an_empty_dataset_has_nothing_to_freeze(world: World) -> None:
    world.call("POST /v1/datasets", "/v1/datasets", {"id": "support"})

    answer = request_export(world)

    assert (answer.status, answer.body["error"]["code"]) == (409, "empty_dataset")


def test_a_manifest_lies_beside_the_files(world: World) -> None:
    collect(world, steps.questions(20))

    found = freeze_export(world)

    key = f"exports/acme/support/{found['id']}/manifest.json"
    manifest = json.loads(world.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())
    assert manifest["files"]["train"]["sha256"] == found["files"]["train"]["sha256"]


def test_a_manifest_proves_that_splits_share_nothing_and_says_how(world: World) -> None:
    alike = [chat(f"Please tell me {words} where my parcel with the red ribbon is today", "late") for words in NUMBERS]
    collect(world, [*steps.questions(60), *alike])

    found = freeze_export(world)

    key = f"exports/acme/support/{found['id']}/manifest.json"
    manifest = json.loads(world.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())
    assert manifest["overlaps"] == dict.fromkeys(["prompt", "exact", "near_duplicate", "subject", "conversation"], 0)
    assert "MinHash" in manifest["overlap_method"]
    assert 0.5 < manifest["near_threshold"] < 0.9
    assert {name: found[name] for name in ("overlaps", "overlap_method", "near_threshold")} == {
        name: manifest[name] for name in ("overlaps", "overlap_method", "near_threshold")
    }
    assert sum(file["examples"] for file in manifest["files"].values()) + sum(found["left_out"].values()) == 64


def test_an_export_without_a_test_says_to_activate_by_hand(world: World) -> None:
    collect(world, steps.questions(39))
    few = freeze_export(world)
    collect(world, steps.questions(200), name="more.jsonl")
    enough = freeze_export(world)
    world.call("PATCH /v1/datasets/{dataset}", "/v1/datasets/support", {"policy": {"take_test": False}})
    none = freeze_export(world)

    assert few["files"]["test"]["examples"] == none["files"]["test"]["examples"] == 0
    assert "activate by hand" in few["advice"]
    assert "policy takes none" in none["advice"]
    assert enough["advice"] is None


def test_the_provider_s_minimum_is_checked_on_what_is_left_to_train_on(world: World) -> None:
    rejected = [chat(f"Is shop {n} open?", "yes", quality=0.1) for n in range(40)]
    collect(world, [*steps.questions(9), *rejected])
    run = world.call("POST /v1/training-runs", "/v1/training-runs", {"dataset": "support"}).body["id"]

    world.settle()

    found = world.call("GET /v1/training-runs/{run}", f"/v1/training-runs/{run}").body
    assert found["error"] == {
        "code": "too_few_examples",
        "param": "dataset",
        "message": "Need at least 10 examples. Current: 9. 40 are below min_quality 0.8; lower it to use them.",
    }


def test_examples_that_are_held_out_don_t_count_as_trained_on(world: World) -> None:
    tested = [chat(f"Is shop {n} open?", "yes", split="test") for n in range(30)]
    collect(world, [*(chat(f"Is bar {n} open?", "yes", split="train") for n in range(9)), *tested])
    run = world.call("POST /v1/training-runs", "/v1/training-runs", {"dataset": "support"}).body["id"]

    world.settle()

    found = world.call("GET /v1/training-runs/{run}", f"/v1/training-runs/{run}").body
    needed = (
        "Need at least 10 examples. Current: 9 to train on, 30 for validation and test. "
        "30 are held out by the split mark test; mark fewer, or add others."
    )
    assert found["error"] == {"code": "too_few_examples", "message": needed, "param": "dataset"}


def test_the_policy_of_a_dataset_decides_what_is_frozen(world: World) -> None:
    lines = [
        *(chat(f"Is shop {n} open?", "yes", quality=0.7, category="shops") for n in range(5)),
        *(chat(f"Is door {n} shut?", "no", quality=0.9, category="doors", created_at="2026-11-01") for n in range(6)),
        *(chat(f"Is box {n} mine?", "no", category="boxes", created_at="2026-11-02T00:00:00Z") for n in range(7)),
        *(chat(f"Is bag {n} yours?", "no", category="boxes") for n in range(8)),
    ]
    collect(world, lines)

    def left_out(**policy: Any) -> dict[str, int]:
        change = world.call("PATCH /v1/datasets/{dataset}", "/v1/datasets/support", {"policy": policy})
        assert change.status == 200, change.text
        found: dict[str, int] = freeze_export(world)["left_out"]
        return found

    assert left_out(max_examples=1000) == {"low_quality": 5}
    assert left_out(min_quality=0.95) == {"low_quality": 11}
    assert left_out(min_quality=0, categories=["doors"]) == {"other_category": 20}
    assert left_out(min_quality=0, validated_only=True) == {"not_approved": 26}
    assert left_out(min_quality=0, created_from="2026-11-01T12:00:00Z") == {"other_time": 19}
    assert left_out(min_quality=0, created_to="2026-11-01T12:00:00Z") == {"other_time": 20}
    assert left_out(min_quality=0, max_per_category=3) == {"over_cap": 17}


def test_near_duplicates_that_say_the_same_are_frozen_once(world: World) -> None:
    alike = [chat(f"{LONG} {words}?", "late", subject=f"user-{words}") for words in NUMBERS]
    unlike = [chat(f"{LONG} {words}!", f"answer {words}") for words in NUMBERS]
    collect(world, [*alike, *steps.questions(30)])
    first = freeze_export(world)
    collect(world, unlike, name="more.jsonl")
    second = freeze_export(world)

    assert first["left_out"] == {"near_duplicate": 3}
    assert second["left_out"]["near_duplicate"] == 3


def test_every_member_of_an_export_is_found_by_its_id(world: World) -> None:
    collect(world, [*steps.questions(60), chat("Where is order 7?", "lost")])

    found = app.exports.get("acme", "support", freeze_export(world)["id"])

    with app.contents.examples("acme", "support", 1) as examples:
        outcomes = [app.membership.outcome_in(found, current.stored.id) for current in examples]
    counted = {split: outcomes.count(OUTCOME_OF[split]) for split in found.files}
    assert counted == {split: file.examples for split, file in found.files.items()}
    assert outcomes.count(Outcome.CONFLICTING) == found.left_out["conflicting"] == 2
    assert app.membership.outcome_in(found, "0" * 64) is None
