"""How many examples there are to train on is one number in one wording, and what is eligible is trained on."""

from typing import Any

import pytest

from tests.examples import chat
from tests.functions import steps
from tests.functions.datasets import collect, small_talk
from tests.functions.export_data.estimates import read_estimate
from tests.functions.exports import freeze_export, read_export
from tests.functions.review_steps import on, page, reviewed, told
from tests.world import World

FIVE = "Need at least 10 examples. Current: 5."


def with_policy(world: World, **policy: Any) -> None:
    answer = world.call("PATCH /v1/datasets/{dataset}", "/v1/datasets/support", {"policy": policy})
    assert answer.status == 200, answer.text


def ran(world: World) -> dict[str, Any]:
    """The run of the dataset as it is, as far as it gets without its provider."""
    identity = world.call("POST /v1/training-runs", "/v1/training-runs", {"dataset": "support"}).body["id"]
    world.settle()
    return steps.look(world, identity)


def test_five_examples_are_five_before_and_after_a_freeze_and_in_a_refusal(live: World) -> None:
    collect(live, steps.questions(5))

    before = [told(live, "eligibility")["recommendation"], *read_estimate(live)["estimates"][0]["notes"][-1:]]
    usable = told(live, "statistics")["usable"]
    run = ran(live)
    after = [told(live, "eligibility")["recommendation"], *read_estimate(live)["estimates"][0]["notes"][-1:]]

    assert run["error"]["message"] == FIVE
    assert before[0] == after[0] == f"{FIVE} Add 5 more."
    assert before[1] == after[1] == FIVE
    assert usable == told(live, "statistics")["usable"] == 5


def test_asked_again_at_once_too_few_give_the_attempt_that_failed(live: World) -> None:
    collect(live, steps.questions(5))
    run = ran(live)

    again = live.call("POST /v1/training-runs", "/v1/training-runs", {"dataset": "support"})

    assert (again.status, again.body["id"], again.body["status"]) == (202, run["id"], "failed")
    assert len(steps.runs(live)) == 1


@pytest.mark.parametrize("number", [10, 11, 13, 20])
def test_what_is_eligible_is_trained_on(number: int, live: World) -> None:
    collect(live, steps.questions(number))

    eligible = told(live, "eligibility")["eligible"]
    run = ran(live)
    files = read_export(live, run["export"])["files"]

    assert eligible
    assert run["error"] is None
    assert files["train"]["examples"] >= 10
    assert files["test"]["examples"] == 0
    assert told(live, "eligibility")["eligible"]


def test_marks_that_leave_too_few_to_train_are_named_early_and_in_refusals(live: World) -> None:
    held = [chat(f"Is bar {n} open?", "yes", split="validation") for n in range(2)]
    collect(live, [*steps.questions(9), *(chat(f"Is shop {n} open?", "yes", split="test") for n in range(30)), *held])

    before = told(live, "eligibility")
    message = ran(live)["error"]["message"]
    after = told(live, "eligibility")

    assert message == (
        "Need at least 10 examples. Current: 9 to train on, 32 for validation and test. "
        "2 are held out by the split mark validation; mark fewer, or add others. "
        "30 are held out by the split mark test; mark fewer, or add others."
    )
    assert not before["eligible"]
    assert before["recommendation"] == after["recommendation"] == f"{message} Add 1 more."


CONFLICTING = [chat(f"Is shop {n // 2} open on a sunday?", ("yes", "no")[n % 2]) for n in range(24)]
HELD_TOO = [
    *(chat(f"Is shop {n} open?", "yes", subject=f"s{n % 3}") for n in range(12)),
    *(chat(f"Is bar {n} open?", "yes", subject=f"s{n}", split="test") for n in range(3)),
]


@pytest.mark.parametrize("lines", [CONFLICTING, HELD_TOO], ids=["conflicts", "overlaps"])
def test_a_recommendation_says_what_only_an_export_can_leave_out(lines: list[dict[str, Any]], live: World) -> None:
    collect(live, lines)

    before = told(live, "eligibility")
    message = ran(live)["error"]["message"]
    after = told(live, "eligibility")

    number = len(lines)
    assert before["recommendation"] == (
        f"Train now with {number} examples, counted before duplicates and conflicts, or add {50 - number} more "
        "for the level better at 50. Freeze an export to know how many stay: what overlaps with held-out examples goes "
        "too."
    )
    assert message.startswith("Need at least 10 examples. Current: 0")
    assert (before["eligible"], after["eligible"]) == (True, False)
    assert "before duplicates" not in after["recommendation"]


def test_figures_are_those_of_the_export_once_there_is_one(world: World) -> None:
    same = [chat(f"Where is  ORDER {n}?", ("late", "on its way")[n % 2], category="orders") for n in range(5)]
    collect(world, [*steps.questions(20, category="orders"), *same])

    before, eligible = told(world, "statistics"), told(world, "eligibility")
    taken = freeze_export(world)
    after = told(world, "statistics")

    assert (before["usable"], before["export"], eligible["basis"]) == (25, None, "filters")
    assert "before duplicates and conflicts" in " ".join(eligible["notes"])
    assert (after["usable"], after["export"], after["left_out"]) == (20, taken["id"], {"duplicate": 5})
    assert after["categories"]["orders"]["usable"] == 20
    assert after["trainable"] == taken["files"]["train"]["examples"]
    eligible = told(world, "eligibility")
    assert (eligible["basis"], eligible["current_examples"], eligible["reasons"]) == ("export", 20, taken["reasons"])


def test_an_estimate_counts_what_would_train_before_anything_is_frozen(world: World) -> None:
    rejected = [chat(f"Is shop {n} open?", "yes", quality=0.1) for n in range(40)]
    collect(world, [*steps.questions(30), *rejected])

    before = read_estimate(world)
    freeze_export(world)
    after = read_estimate(world)

    assert before["basis"] == "segments"
    assert "before duplicates and conflicts" in " ".join(before["notes"])
    assert [group["reason"] for group in before["reasons"]] == ["low_quality"]
    assert before["estimates"][0]["examples"] == pytest.approx(after["estimates"][0]["examples"], abs=3)
    assert before["estimates"][0]["examples"] <= 30


def test_short_chats_are_trained_on_and_that_is_said(live: World) -> None:
    collect(live, small_talk(12))

    before = told(live, "eligibility")
    run = ran(live)
    taken = read_export(live, run["export"])

    assert (before["eligible"], before["current_examples"]) == (True, 12)
    assert any("below 20 characters" in note for note in before["notes"])
    assert (run["error"], taken["left_out"], taken["min_user_characters"]) == (None, {}, 0)
    assert any("below 20 characters" in note for note in taken["notes"])


def test_short_chats_among_long_ones_are_named_with_their_setting(live: World) -> None:
    long = [chat(f"I have waited for order {n} for weeks", f"It left us on day {n}.") for n in range(8)]
    collect(live, [*small_talk(5), *long])
    sentence = "5 are shorter than min_user_characters 20; set it to 0 for short chats."

    before = told(live, "eligibility")
    message = ran(live)["error"]["message"]
    [reason] = read_export(live, app_export(live))["reasons"]
    [listed] = live.call("GET /v1/datasets/{dataset}/exports", "/v1/datasets/support/exports").body["data"]
    with_policy(live, min_user_characters=0)

    assert before["reasons"] == [reason] == listed["reasons"]
    assert reason == {"reason": "too_short", "count": 5, "setting": "min_user_characters", "message": sentence}
    assert message == f"Need at least 10 examples. Current: 8. {sentence}"
    assert told(live, "eligibility")["current_examples"] == 13


def app_export(world: World) -> str:
    """The newest export's id."""
    found: str = world.call("GET /v1/datasets/{dataset}/exports", "/v1/datasets/support/exports").body["data"][0]["id"]
    return found


def test_what_is_left_out_is_told_with_the_setting_that_does_it(world: World) -> None:
    lines = [
        *steps.questions(12, category="orders", created_at="2026-11-02"),
        *(chat(f"Is shop {n} open?", "yes", category="shops", created_at="2026-11-02") for n in range(3)),
        *(chat(f"Is door {n} shut?", "no", category="orders", quality=0.5, created_at="2026-11-02") for n in range(2)),
        chat("Is box 7 mine?", "no", category="orders", created_at="2026-10-01"),
    ]
    collect(world, [*lines, steps.preferences(1)[0] | {"category": "orders", "created_at": "2026-11-02"}])
    reviewed(world, on(page(world, category="shops")[0], status="rejected"))
    with_policy(world, categories=["orders"], created_from="2026-11-01", max_examples=9)

    before = {group["reason"]: group for group in told(world, "eligibility")["reasons"]}
    after = {group["reason"]: group for group in freeze_export(world)["reasons"]}

    assert before == after
    assert {reason: group["count"] for reason, group in after.items()} == {
        "rejected": 1,
        "other_category": 2,
        "low_quality": 2,
        "other_time": 1,
        "other_kind": 1,
        "over_cap": 3,
    }
    assert after["over_cap"]["message"] == "3 are beyond max_examples 9; raise it to use them."
    assert {reason: group["setting"] for reason, group in after.items()} == {
        "rejected": None,
        "other_category": "categories",
        "low_quality": "min_quality",
        "other_time": "created_from, created_to",
        "other_kind": "kind",
        "over_cap": "max_examples",
    }
