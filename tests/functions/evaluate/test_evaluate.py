"""evaluate through its real entry point, asking the real trainer."""

import json
from typing import Any

import pytest

from tests.examples import chat
from tests.functions import steps
from tests.functions.providers import AnswerRecorder
from tests.functions.scripted_evaluations import evaluate_to_end, read_evaluation, request_evaluation
from tests.world import BUCKET, Context, World, invoke
from tuneloop.app import app
from tuneloop.domain.chat.examples import Split

SMALL_PART = 10
EVALUATIONS = "/v1/evaluations"


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of ten rows, and no patience with a provider that is away."""
    monkeypatch.setattr("evaluate.run.ROWS_PER_PART", SMALL_PART)
    monkeypatch.setattr("evaluate.ask.RETRY_WAITS_S", ())


def prepared(world: World, **fields: Any) -> dict[str, Any]:
    """A frozen export with test rows, and a version registered by hand to be proved on it."""
    world.call("POST /v1/datasets", "/v1/datasets", {"id": "support", "on_drop": "collect"})
    world.drop("support", steps.questions(30, split="train"))
    world.drop("support", [chat(f"What of parcel {n}?", "late") for n in range(25)], name="test/own.jsonl")
    world.schedule("collect-examples")
    world.settle()
    [export] = app.exports.page(world.tenant, "support", 10, None).data
    version = steps.registered(world, **fields)
    return {"model": "support", "version": version, "dataset": "support", "export": export.id}


def question(line: dict[str, Any]) -> str:
    text: str = line["messages"][-2]["content"]
    return text


def test_arms_are_compared_on_the_same_rows(live: World) -> None:
    ended = evaluate_to_end(live, prepared(live, prompt="Possible answers, one per line:\nlate\nnever"))

    assert (ended["status"], ended["rows_asked"], ended["examples"], ended["removed_overlap"]) == (
        "completed",
        25,
        25,
        0,
    )
    assert ended["arms"].keys() == {"candidate", "stable", "base", "most_frequent"}
    assert {arm["examples"] for arm in ended["arms"].values()} == {25}
    assert ended["arms"]["stable"] == ended["arms"]["base"]
    assert ended["comparison"]["only_candidate_right"] + ended["comparison"]["only_stable_right"] <= 25
    assert ended["verdict"]["reason"]


def test_the_commonest_answer_is_the_bar_that_every_candidate_must_pass(live: World) -> None:
    ended = evaluate_to_end(live, prepared(live))

    assert ended["verdict"]["promote"] is False
    assert "commonest answer" in ended["verdict"]["reason"]


def test_what_a_version_is_served_with_is_what_it_is_judged_with(live: World) -> None:
    body = prepared(live, prompt="Possible answers, one per line:\nlate\nearly", parameters={"temperature": 0})
    provider = AnswerRecorder()

    evaluate_to_end(live, body)

    candidate = [request for request in provider.sent if "temperature" in request]
    assert len(candidate) == 25
    assert {request["messages"][0]["content"] for request in candidate} == {
        "Possible answers, one per line:\nlate\nearly"
    }


@pytest.mark.usefixtures("small_parts")
def test_an_interrupted_evaluation_is_resumed_and_asks_nothing_twice(live: World) -> None:
    body = prepared(live)
    provider = AnswerRecorder(until=2 * SMALL_PART)
    waiting = evaluate_to_end(live, body)
    assert (waiting["status"], waiting["verdict"]) == ("running", None)
    assert waiting["waiting_for"].startswith("The provider can't answer now")
    assert waiting["progress"] == 2 * SMALL_PART / 50

    provider.until = None
    live.schedule("evaluate")
    live.settle()

    ended = read_evaluation(live, waiting["id"])
    assert (ended["status"], ended["progress"], ended["waiting_for"]) == ("completed", 1.0, None)
    assert provider.answered.total() == 50
    assert set(provider.answered.values()) == {2}


@pytest.mark.usefixtures("small_parts")
def test_when_time_runs_out_the_rest_is_handed_over(live: World, monkeypatch: pytest.MonkeyPatch) -> None:
    body = prepared(live)
    left = iter([900_000, 900_000, 100_000, 900_000, *[900_000] * 10])
    monkeypatch.setattr(Context, "get_remaining_time_in_millis", lambda _: next(left))
    provider = AnswerRecorder()

    ended = evaluate_to_end(live, body)

    assert ended["status"] == "completed"
    assert live.delivered.count("EvaluationRequested") == 2
    assert provider.answered.total() == 50


def test_a_second_delivery_at_the_same_time_pays_for_nothing(live: World) -> None:
    body = prepared(live)

    class OverlappingSweep(AnswerRecorder):
        def complete(self, request: dict[str, Any], timeout_s: float) -> Any:
            if not self.answered:
                invoke("evaluate", {"schedule": "every-5-minutes"})
            return super().complete(request, timeout_s)

    provider = OverlappingSweep()

    assert evaluate_to_end(live, body)["status"] == "completed"
    assert provider.answered.total() == 50


def test_asking_again_gives_the_same_evaluation(live: World) -> None:
    body = prepared(live)
    first = evaluate_to_end(live, body)

    again = request_evaluation(live, body)
    live.settle()

    assert again == first
    assert live.delivered.count("EvaluationRequested") == 1


def test_each_look_at_the_same_test_rows_lowers_the_level(live: World) -> None:
    body = prepared(live)
    first = evaluate_to_end(live, body)

    second = evaluate_to_end(live, body | {"version": steps.registered(live)})

    assert (first["look"], second["look"]) == (1, 2)
    assert second["comparison"]["alpha"] < first["comparison"]["alpha"]


def test_rows_that_a_version_was_trained_on_do_not_count(live: World) -> None:
    steps.settled(live, steps.questions(60))
    [run] = steps.runs(live)
    steps.followed(live, run["id"])
    live.settle()
    asked = steps.questions(10) + [chat(f"What of parcel {n}?", "late") for n in range(40)]
    live.call("POST /v1/datasets", "/v1/datasets", {"id": "exam", "on_drop": "collect"})
    live.drop("exam", asked, name="test/own.jsonl")
    live.schedule("collect-examples")
    live.settle()
    [exam] = app.exports.page(live.tenant, "exam", 10, None).data
    steps.decide(live, "deactivate")

    ended = evaluate_to_end(live, {"model": "support", "version": 1, "dataset": "exam", "export": exam.id})

    trained_on = app.exports.get(live.tenant, "support", run["export"])
    files = [trained_on.files[split].key for split in (Split.TRAIN, Split.VALIDATION)]
    trained = {question(json.loads(line)) for key in files for line in app.objects.lines(key)}
    overlap = [line for line in asked if question(line) in trained]
    assert 0 < len(overlap) <= 10
    assert (ended["rows_asked"], ended["removed_overlap"]) == (50 - len(overlap), len(overlap))
    assert (ended["rows_available"], ended["contaminated"]) == (50, False)


def test_without_test_rows_nothing_is_proved_and_nothing_asked(live: World) -> None:
    steps.settled(live, steps.questions(30, split="train"))
    [run] = steps.runs(live)
    provider = AnswerRecorder()
    steps.followed(live, run["id"])
    live.settle()

    [ended] = live.call("GET /v1/evaluations", EVALUATIONS).body["data"]
    assert (ended["status"], ended["verdict"]["promote"]) == ("completed", False)
    assert "No examples were kept to prove it on" in ended["verdict"]["reason"]
    assert provider.answered.total() == 0
    assert [line["action"] for line in steps.history(live)] == ["refuse"]


def test_a_version_registered_by_hand_is_not_evaluated_unasked(world: World) -> None:
    steps.registered(world)

    world.settle()

    assert world.call("GET /v1/evaluations", EVALUATIONS).body["data"] == []


def test_answers_lie_in_parts_in_the_bucket_and_not_in_the_table(live: World) -> None:
    ended = evaluate_to_end(live, prepared(live))

    key = f"evaluations/{live.tenant}/{ended['id']}/candidate-0000000.jsonl"
    lines = live.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read().splitlines()
    assert [json.loads(line)["row"] for line in lines] == list(range(25))
    assert "answer" not in json.dumps(app.evaluations.get(live.tenant, ended["id"]).model_dump(mode="json")["parts"])
