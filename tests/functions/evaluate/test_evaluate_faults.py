"""evaluate when something goes wrong: providers that refuse, dawdle or go away, rivals, and what changes meanwhile."""

from datetime import timedelta
from io import StringIO

import pytest

from tests.functions import scripted_evaluations, steps
from tests.functions.conftest import Later
from tests.functions.scripted_evaluations import (
    Request,
    ScriptedProvider,
    answers_known_to,
    arm_of,
    as_promotion,
    evaluate_to_end,
    number_in,
    prepare_comparison,
    read_evaluation,
)
from tests.world import BUCKET, World, invoke
from tuneloop.app import app, utc_now
from tuneloop.domain.core.errors import ProviderRefused
from tuneloop.domain.core.leases import Lease
from tuneloop.domain.evaluation.evaluations import Evaluation
from tuneloop.runtime.entry_point import FunctionFailed

ROWS = 40


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No second try at a provider that is away."""
    monkeypatch.setattr("evaluate.ask.RETRY_WAITS_S", ())


def stored(world: World, evaluation: str) -> Evaluation:
    return app.evaluations.get(world.tenant, evaluation)


def parts_of(world: World, evaluation: str) -> list[str]:
    prefix = f"evaluations/{world.tenant}/{evaluation}/"
    found = world.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
    return sorted(entry["Key"].removeprefix(prefix) for entry in found)


@pytest.mark.parametrize("gone", ["base", "v1"])
def test_a_model_that_is_gone_ends_the_evaluation_and_promotes_nobody(
    gone: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evaluate.run.ROWS_PER_PART", 20)
    [body] = prepare_comparison(world, scripted_evaluations.lines(ROWS))
    provider = ScriptedProvider(
        lambda asked: scripted_evaluations.refuse() if arm_of(asked) == gone else expected_of(asked)
    )

    found = evaluate_to_end(world, as_promotion(body))

    assert found["status"] == "failed"
    number = 0 if gone == "base" else 1
    assert found["error"] == {
        "code": "provider_refused",
        "message": f"Version {number} answered none of 20 questions: {scripted_evaluations.GONE}",
    }
    assert (found["verdict"]["promote"], found["comparison"]) == (False, None)
    assert len(provider.sent) <= 40
    assert (steps.deployment(world)["stable"], steps.deployment(world)["step"]) == (0, 0)
    [line] = steps.history(world)
    assert line["action"] == "refuse"
    assert found["error"]["message"] in line["reason"]
    assert list(app.evaluations.open()) == []


def expected_of(asked: Request) -> str:
    return scripted_evaluations.expected_answer(number_in(asked))


def test_a_side_that_was_refused_now_and_then_is_not_beaten(world: World) -> None:
    [body] = prepare_comparison(world, scripted_evaluations.lines(ROWS))
    ScriptedProvider(
        lambda asked: (
            scripted_evaluations.refuse()
            if arm_of(asked) == "base" and number_in(asked) < 3
            else answers_known_to("v1")(asked)
        )
    )

    found = evaluate_to_end(world, body)

    assert (found["status"], found["arms"]["stable"]["errors"], found["arms"]["candidate"]["errors"]) == (
        "completed",
        3,
        0,
    )
    assert found["comparison"]["p_value"] < 0.0001
    assert found["verdict"]["promote"] is False
    assert found["error"]["code"] == "too_many_refused"
    assert "refused 3 of 40 questions to version 0" in found["verdict"]["reason"]


def test_a_row_or_two_that_are_refused_leave_the_verdict_as_it_is(world: World) -> None:
    [body] = prepare_comparison(world, scripted_evaluations.lines(ROWS))
    ScriptedProvider(
        lambda asked: (
            scripted_evaluations.refuse()
            if arm_of(asked) == "v1" and number_in(asked) < 2
            else answers_known_to("v1")(asked)
        )
    )

    found = evaluate_to_end(world, body)

    assert (found["arms"]["candidate"]["correct"], found["arms"]["candidate"]["errors"]) == (38, 2)
    assert (found["verdict"]["promote"], found["error"]) == (True, None)


def test_a_failed_evaluation_may_be_requested_again_without_another_look(world: World) -> None:
    [body] = prepare_comparison(world, scripted_evaluations.lines(ROWS))
    provider = ScriptedProvider(lambda _: scripted_evaluations.refuse())
    first = evaluate_to_end(world, body)

    provider.script = answers_known_to()
    second = evaluate_to_end(world, body)
    third = evaluate_to_end(world, body)

    assert (first["status"], second["status"], second["error"]) == ("failed", "completed", None)
    assert second["id"] != first["id"]
    assert third == second
    assert (first["look"], second["look"]) == (1, 1)
    assert evaluate_to_end(world, body | {"version": steps.registered(world, prompt="v2")})["look"] == 2


def test_a_call_that_an_sdk_repeats_makes_no_other_attempt(world: World) -> None:
    [body] = prepare_comparison(world, scripted_evaluations.lines(ROWS))
    ScriptedProvider(lambda _: scripted_evaluations.refuse())
    failed = evaluate_to_end(world, body)

    repeat = {"x-stainless-retry-count": "1"}
    answer = world.call_with(repeat, "POST /v1/evaluations", scripted_evaluations.EVALUATIONS, body)

    assert (answer.status, answer.body["id"], answer.body["status"]) == (202, failed["id"], "failed")
    assert [evaluation["id"] for evaluation in scripted_evaluations.list_evaluations(world)] == [failed["id"]]


def test_a_version_that_is_announced_again_does_not_repeat_what_failed(world: World) -> None:
    [body] = prepare_comparison(world, scripted_evaluations.lines(ROWS))
    ScriptedProvider(lambda _: scripted_evaluations.refuse())
    failed = evaluate_to_end(world, as_promotion(body))

    detail = {"tenant": world.tenant, "model": "support", "version": 1, "dataset": "support", "export": body["export"]}
    invoke("evaluate", {"source": "tuneloop", "detail-type": "VersionReady", "detail": detail})

    assert [evaluation["id"] for evaluation in scripted_evaluations.list_evaluations(world)] == [failed["id"]]


@pytest.mark.parametrize(("seconds", "rows"), [(6.0, 260), (28.0, 120)])
def test_a_slow_provider_is_paid_once_for_each_answer(
    seconds: float, rows: int, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    [body] = prepare_comparison(world, scripted_evaluations.lines(rows))
    passed = timedelta()
    monkeypatch.setattr("evaluate.handler.utc_now", lambda: utc_now() + passed)

    def script(asked: Request) -> str:
        nonlocal passed
        passed += timedelta(seconds=seconds / 8)  # eight are asked at once
        return answers_known_to("v1")(asked)

    def sweep() -> None:
        if len(swept) < 20 and len(provider.sent) >= 12 * len(swept):
            swept.append(len(provider.sent))
            world.schedule("evaluate")

    swept: list[int] = []
    provider = ScriptedProvider(script)
    provider.meanwhile = sweep

    found = evaluate_to_end(world, body)

    assert (found["status"], found["verdict"]["promote"]) == ("completed", True)
    assert provider.answered.total() == 2 * rows
    parts = stored(world, found["id"]).parts
    assert min(parts.values()) >= 2
    assert max(parts.values()) <= rows * seconds / 8 / 45 + 1
    expected_keys = {f"{arm}-{part:07d}.jsonl" for arm, number in parts.items() for part in range(number)}
    assert set(parts_of(world, found["id"])) == expected_keys | {"versions.jsonl", "removed.bin"}


def test_what_was_answered_before_the_provider_went_away_is_kept(world: World) -> None:
    [body] = prepare_comparison(world, scripted_evaluations.lines(ROWS))
    provider = ScriptedProvider(
        lambda asked: (
            answers_known_to("v1")(asked) if provider.answered.total() < 27 else scripted_evaluations.be_away()
        )
    )
    waiting = evaluate_to_end(world, body)
    assert (waiting["status"], waiting["waiting_for"]) == ("running", scripted_evaluations.AWAY)
    assert waiting["progress"] == pytest.approx(27 / 80)

    provider.script = answers_known_to("v1")
    world.schedule("evaluate")
    world.settle()

    assert (read_evaluation(world, waiting["id"])["status"], provider.answered.total()) == ("completed", 80)


def test_one_row_that_stays_unavailable_costs_no_other_row_a_second_answer(world: World, later: Later) -> None:
    [body] = prepare_comparison(world, scripted_evaluations.lines(ROWS))
    provider = ScriptedProvider(
        lambda asked: (
            scripted_evaluations.be_away()
            if number_in(asked) == 3 and arm_of(asked) == "v1"
            else answers_known_to("v1")(asked)
        )
    )
    waiting = evaluate_to_end(world, body)
    world.schedule("evaluate")
    assert read_evaluation(world, waiting["id"])["status"] == "running"

    later(26 * 3600)
    world.schedule("evaluate")

    found = read_evaluation(world, waiting["id"])
    assert set(provider.answered.values()) == {1}
    assert provider.answered.total() == 2 * ROWS - 1
    assert (found["status"], found["waiting_for"]) == ("failed", None)
    assert found["error"] == {
        "code": "provider_unavailable",
        "message": f"No answer came for a day. {scripted_evaluations.AWAY}",
    }
    assert scripted_evaluations.AWAY in found["verdict"]["reason"]


def test_a_rival_who_took_over_is_left_alone(world: World) -> None:
    [body] = prepare_comparison(world, scripted_evaluations.lines(ROWS))

    def script(asked: Request) -> str:
        [held] = [evaluation for evaluation in app.evaluations.open() if evaluation.lease]
        if held.lease and held.lease.owner != "rival":
            app.evaluations.save(
                held.model_copy(update={"lease": Lease(owner="rival", until=utc_now() + timedelta(seconds=60))}),
                now=utc_now(),
            )
        return answers_known_to("v1")(asked)

    ScriptedProvider(script)

    found = evaluate_to_end(world, body)

    row = stored(world, found["id"])
    assert (row.status, row.parts, row.lease and row.lease.owner) == ("running", {}, "rival")
    assert parts_of(world, found["id"]) == ["removed.bin", "versions.jsonl"]


def test_an_evaluation_asks_with_the_prompts_that_it_began_with(world: World) -> None:
    [body] = prepare_comparison(world, scripted_evaluations.lines(ROWS))
    provider = ScriptedProvider(
        lambda asked: answers_known_to("v1")(asked) if len(provider.sent) < 15 else scripted_evaluations.be_away()
    )
    waiting = evaluate_to_end(world, body)

    scripted_evaluations.change_version(world, 0, prompt="Another base prompt.")
    scripted_evaluations.change_version(world, 1, prompt="v1, but another")
    provider.script = answers_known_to("v1")
    world.schedule("evaluate")
    world.settle()

    assert read_evaluation(world, waiting["id"])["verdict"]["promote"] is True
    assert {arm_of(asked) for asked in provider.sent} == {"v1", "base"}


def test_an_evaluation_that_can_t_be_run_leaves_the_others_their_turn(world: World, log: StringIO) -> None:
    [body, other] = prepare_comparison(world, scripted_evaluations.lines(ROWS), ("v1", "v2"))
    provider = ScriptedProvider(lambda _: scripted_evaluations.be_away())
    broken, whole = evaluate_to_end(world, body), evaluate_to_end(world, other)
    row = stored(world, broken["id"])
    app.evaluations.save(row.model_copy(update={"export": "export-lost"}), now=utc_now())
    provider.script = answers_known_to("v2")

    with pytest.raises(FunctionFailed):
        world.schedule("evaluate")

    assert read_evaluation(world, whole["id"])["status"] == "completed"
    assert '"error":"NotFound"' in log.getvalue()


def test_an_evaluation_of_a_hundred_thousand_rows_fits_its_row() -> None:
    slowest = 100_000 * 28 / 8 / 45
    row = Evaluation(
        tenant="t" * 63,
        id="e" * 63,
        model="m" * 63,
        candidate=2,
        stable=1,
        dataset="d" * 63,
        export="x" * 63,
        parts={"candidate": round(slowest), "stable": round(slowest), "base": round(slowest)},
        created_at=utc_now(),
    )

    assert len(row.model_dump_json()) < 4096


def test_half_a_character_in_answers_and_refusals_ends_no_evaluation(world: World) -> None:
    [body] = prepare_comparison(world, scripted_evaluations.lines(24))

    def cut(request: Request) -> str:
        if number_in(request) == 7:
            raise ProviderRefused("The provider refused the call: cut \ud83d")
        return "cut \ud800"

    provider = ScriptedProvider(cut)

    found = evaluate_to_end(world, body)

    assert (found["status"], found["arms"]["candidate"]["errors"]) == ("completed", 1)
    assert len(provider.sent) == 2 * 24
