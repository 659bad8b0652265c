"""Feedback becomes data: what users say is right is collected, trusted or reviewed, and never tested on."""

from typing import Any

import pytest

from tests.functions import steps
from tests.functions.exports import freeze_export
from tests.functions.refusals import refused
from tests.world import Answer, World
from tuneloop.app import app
from tuneloop.domain.chat.examples import Split

QUESTION = "Where is my parcel, the one that I ordered on Monday?"
PROMPT = [{"role": "user", "content": QUESTION}]


@pytest.fixture
def asked(live: World) -> str:
    """A dataset with a model that was asked once; the id of its answer."""
    live.call("POST /v1/datasets", "/v1/datasets", {"id": "support", "on_drop": "collect"})
    steps.settled(live, steps.questions(60))
    return str(steps.ask(live, QUESTION).body["id"])


def say(world: World, inference: str, **said: Any) -> Answer:
    """Feedback with its conversation, collected and judged."""
    body = {"inference_id": inference, "messages": PROMPT, "answer": "on its way", **said}
    answer = world.call("POST /v1/feedback", "/v1/feedback", body)
    world.settle()
    return answer


def change(world: World, **settings: Any) -> None:
    route = "PATCH /v1/datasets/{dataset}"
    assert world.call(route, "/v1/datasets/support", settings).status == 200


def standing(world: World, answer: Answer) -> list[str]:
    """How the examples stand that feedback made."""
    dataset = app.datasets.get(world.tenant, "support")
    decisions = app.reviews.decisions(world.tenant, "support", dataset.revision)
    return [
        str(decisions[example.encode()].status) if example.encode() in decisions else "unreviewed"
        for example in answer.body["examples"]
    ]


def test_a_correction_waits_for_review_and_is_not_trained_on(live: World, asked: str) -> None:
    before = freeze_export(live)

    said = say(live, asked, correction="lost", subject="ann")

    assert (said.status, said.body["becomes_example"], len(said.body["examples"])) == (202, True, 2)
    assert standing(live, said) == ["unreviewed", "unreviewed"]
    after = freeze_export(live)
    assert after["left_out"].get("not_approved") == 2
    assert {name: file["sha256"] for name, file in after["files"].items()} == {
        name: file["sha256"] for name, file in before["files"].items()
    }


def test_two_subjects_who_agree_approve_it_for_training_but_never_for_test(live: World, asked: str) -> None:
    before = freeze_export(live)["files"]
    say(live, asked, correction="lost", subject="ann")

    said = say(live, asked, correction="Lost ", subject="bob", answer="late")

    assert standing(live, said) == ["approved", "approved"]
    export = freeze_export(live)
    learnt = [sum(files[split]["examples"] for split in ("train", "validation")) for files in (before, export["files"])]
    assert learnt[1] == learnt[0] + 1  # `lost` and `Lost ` are one conversation
    files = app.exports.get(live.tenant, "support", export["id"]).files
    tested = app.objects.lines(files[Split.TEST].key)
    assert not [line for line in tested if QUESTION.encode() in line]


def test_who_contradicts_what_was_approved_gives_it_back_to_review(live: World, asked: str) -> None:
    change(live, trust="all")
    first = say(live, asked, correction="lost", subject="ann")
    assert standing(live, first) == ["approved", "approved"]

    second = say(live, asked, correction="stolen", subject="bob")

    assert standing(live, first) == standing(live, second) == ["unreviewed", "unreviewed"]


def test_who_changes_his_mind_and_back_is_believed(live: World, asked: str) -> None:
    change(live, trust="trusted_subjects", trusted_subjects=["ann"])
    first = say(live, asked, correction="lost", subject="ann")
    second = say(live, asked, correction="stolen", subject="ann")
    assert (standing(live, first), standing(live, second)) == (["unreviewed"] * 2, ["approved"] * 2)

    say(live, asked, correction="lost", subject="ann")

    assert (standing(live, first), standing(live, second)) == (["approved"] * 2, ["unreviewed"] * 2)


def test_a_person_s_decision_stands_over_every_vote(live: World, asked: str) -> None:
    said = say(live, asked, correction="lost", subject="ann")
    reviews = [{"example": example, "status": "rejected", "version": 0} for example in said.body["examples"]]
    answer = live.call("POST /v1/datasets/{dataset}/reviews", "/v1/datasets/support/reviews", {"reviews": reviews})
    assert answer.status == 200, answer.text

    say(live, asked, correction="lost", subject="bob", answer="late")

    assert standing(live, said) == ["rejected", "rejected"]


def test_a_message_that_comes_twice_or_late_changes_nothing(live: World, asked: str) -> None:
    change(live, trust="all")
    said = say(live, asked, correct=True, subject="ann")
    revision = app.datasets.get(live.tenant, "support").revision
    assert standing(live, said) == ["approved"]

    say(live, asked, correct=True, subject="ann")

    assert app.datasets.get(live.tenant, "support").revision == revision


def test_what_a_user_dropped_keeps_its_origin_when_it_is_confirmed(live: World, asked: str) -> None:
    line = steps.questions(1)[0]
    said = {"messages": line["messages"][:-1], "answer": line["messages"][-1]["content"]}

    say(live, asked, correct=True, subject="ann", **said)

    export = freeze_export(live)
    assert "not_approved" not in export["left_out"]


def test_feedback_without_the_question_is_counted_and_says_what_it_needs(live: World, asked: str) -> None:
    answer = live.call("POST /v1/feedback", "/v1/feedback", {"inference_id": asked, "correction": "lost"})

    assert (answer.status, answer.body["becomes_example"], answer.body["examples"]) == (202, False, [])
    assert "`messages`" in answer.body["reason"]


def test_a_question_that_can_t_be_one_is_named(live: World, asked: str) -> None:
    refused(say(live, asked, correction="lost", messages=[{"role": "nobody", "content": "x"}]), 422, "unknown_role")


def test_nobody_else_may_say_that_it_came_from_feedback(live: World) -> None:
    line = {**steps.questions(1)[0], "source": "correction"}

    answer = live.call("POST /v1/datasets/{dataset}/examples", "/v1/datasets/support/examples", {"examples": [line]})

    refused(answer, 422, "reserved_source")


def test_an_example_names_the_answers_whose_feedback_made_it(live: World, asked: str) -> None:
    said = say(live, asked, correction="lost", subject="ann")

    route = "GET /v1/datasets/{dataset}/examples/{example}"
    found = [live.call(route, f"/v1/datasets/support/examples/{name}").body for name in said.body["examples"]]

    assert [(example["source"], example["inferences"]) for example in found] == [("correction", [asked])] * 2


def test_what_is_refused_is_not_counted_either(live: World, asked: str) -> None:
    refused(say(live, asked, correction={"year": "1"}, correction_fields=["month"]), 422)
    refused(say(live, asked, rating=True), 422)
    refused(say(live, asked, correct=True, messages=[*PROMPT, {"role": "assistant", "content": "x"}]), 422)

    [row] = live.call("GET /v1/usage", "/v1/usage").body["data"]
    assert (row["feedback"], row["corrections"]) == (0, 0)


def test_a_user_who_is_named_and_known_by_his_answer_has_one_vote(live: World, asked: str) -> None:
    inference = str(steps.ask(live, QUESTION, user="ann").body["id"])

    first = say(live, inference, correction="lost")
    second = say(live, inference, correction="lost", subject="ann", answer="late")

    assert standing(live, first) == standing(live, second) == ["unreviewed"] * 2
    assert standing(live, say(live, asked, correction="lost", subject="bob")) == ["approved"] * 2


def test_a_trusted_subject_may_be_known_by_his_answer_alone(live: World, asked: str) -> None:
    change(live, trusted_subjects=["ann"])
    inference = str(steps.ask(live, QUESTION, user="ann").body["id"])

    assert standing(live, say(live, inference, correction="lost")) == ["approved"] * 2
    assert standing(live, say(live, asked, correction="gone")) == ["unreviewed"] * 2


def test_erasing_a_user_erases_what_he_said_without_his_name(live: World, asked: str) -> None:
    inference = str(steps.ask(live, QUESTION, user="ann").body["id"])
    say(live, inference, correction="lost")
    mine = say(live, asked, correction="gone", subject="bob")

    live.call("DELETE /v1/subjects/{subject}", "/v1/subjects/ann")

    listing = live.call("GET /v1/datasets/{dataset}/examples", "/v1/datasets/support/examples", source="correction")
    assert {example["id"] for example in listing.body["data"]} == set(mine.body["examples"])


def test_json_that_is_written_in_another_way_is_the_same_answer(live: World, asked: str) -> None:
    say(live, asked, correction='{"year":"1986","player":"x"}', subject="ann")

    said = say(live, asked, correction='{"player": "x", "year": "1986"}', subject="bob", answer="late")

    assert standing(live, said) == ["approved"] * 2


def test_a_correction_about_a_picture_is_learnt_and_makes_no_pair(live: World, asked: str) -> None:
    picture = {"type": "image_url", "image_url": {"url": "https://example.org/card.png"}}
    messages = [{"role": "user", "content": [{"type": "text", "text": "Which card is this?"}, picture]}]

    said = say(live, asked, correction="a Jordan", messages=messages)

    assert (said.status, len(said.body["examples"])) == (202, 1)
    assert "text only" in said.body["reason"]


def test_what_was_asked_is_led_by_the_prompt_that_versions_are_served_with(live: World) -> None:
    schema = {"type": "object", "properties": {"state": {"type": "string"}}, "required": ["state"]}
    template = {"system": "Say where it is.", "user": "Order: {{input}}", "answer_schema": schema}
    live.call("POST /v1/datasets", "/v1/datasets", {"id": "support", "on_drop": "collect", "template": template})
    inference = str(steps.ask(live, QUESTION).body["id"])

    said = say(
        live, inference, correction='{ "state": "lost" }', messages=[{"role": "system", "content": "?"}, *PROMPT]
    )
    bad = say(live, inference, correction={"year": 1})

    route = "GET /v1/datasets/{dataset}/examples/{example}"
    found = live.call(route, f"/v1/datasets/support/examples/{said.body['examples'][0]}").body
    assert [message["content"] for message in found["content"]["messages"]] == [
        "Say where it is.",
        QUESTION,
        '{"state":"lost"}',
    ]
    assert refused(bad, 422, "breaks_answer_schema", "correction.state")
