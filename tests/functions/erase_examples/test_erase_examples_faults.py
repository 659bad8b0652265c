"""Erasing when processes die: wherever that happens, whoever comes next ends in the same state."""

from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from tests.examples import chat
from tests.functions import steps
from tests.functions.conftest import Later
from tests.functions.datasets import collect, example_id, example_ids, store_review
from tests.functions.erasures import CANARY, HOURS_3, SUBJECT, erase_subject, erasure, stored_bytes
from tests.functions.exports import freeze_export, split_lines
from tests.functions.write_faults import dies_at_write
from tests.world import World, staged
from tuneloop.app import app, utc_now
from tuneloop.domain.core.leases import Lease
from tuneloop.domain.evaluation.evaluations import Evaluation, EvaluationStatus

LINES = [*steps.questions(60), chat(CANARY, CANARY, subject=SUBJECT, split="test")]


def prepared(world: World) -> dict[str, Any]:
    collect(world, LINES)
    edited = chat(f"{CANARY}, edited", CANARY, subject=SUBJECT, split="test")
    store_review(world, example_id(LINES[-1]), edited)
    return freeze_export(world)


def sweep_twice_if_dead(world: World, at: int, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Sweep, dying before the n-th write, and then again; tells whether it came to that."""
    died = dies_at_write(at, monkeypatch, lambda: world.schedule("erase-examples"))
    if died:
        world.schedule("erase-examples")
    return died


def test_a_sweep_that_dies_before_any_of_its_writes_is_ended_by_the_next(
    monkeypatch: pytest.MonkeyPatch, later: Later
) -> None:
    for at in count(1):
        with staged(monkeypatch) as world:
            later(0)
            export = prepared(world)
            asked = erase_subject(world, SUBJECT).body
            first = sweep_twice_if_dead(world, at, monkeypatch)
            later(HOURS_3)
            second = sweep_twice_if_dead(world, at, monkeypatch)

            done = erasure(world, asked["id"])
            assert (done["status"], done["examples"]) == ("done", 1), at
            assert [rewritten["export"] for rewritten in done["exports"]] == [export["id"]], at
            assert CANARY.encode() not in stored_bytes(world), at
            assert len(example_ids(world)) == 60, at
            kept = app.exports.get(world.tenant, "support", export["id"])
            assert (kept.erased, kept.examples, len(split_lines(world, export, "test"))) == (
                1,
                60,
                export["files"]["test"]["examples"] - 1,
            )
            assert app.datasets.get(world.tenant, "support").revision == 3
        if not first and not second:
            assert at > 5
            return


def an_evaluation(world: World, export: str, **fields: Any) -> Evaluation:
    asked = Evaluation(
        id="eval-1",
        tenant=world.tenant,
        model="support",
        candidate=1,
        stable=0,
        dataset="support",
        export=export,
        created_at=utc_now(),
        **fields,
    )
    return app.evaluations.save(asked, now=utc_now())


@pytest.mark.parametrize("status", [EvaluationStatus.COMPLETED, EvaluationStatus.RUNNING])
def test_answers_to_an_erased_question_go_and_open_evaluations_start_over(
    world: World, later: Later, status: EvaluationStatus
) -> None:
    export = prepared(world)
    key = f"evaluations/{world.tenant}/eval-1/candidate-0000000.jsonl"
    app.objects.put(key, f'{{"row":0,"right":true,"answer":"{CANARY}"}}\n'.encode())
    an_evaluation(world, export["id"], status=status, parts={"candidate": 1}, progress=0.5)
    erase_subject(world, SUBJECT)

    world.schedule("erase-examples")
    later(HOURS_3)
    world.schedule("erase-examples")

    found = app.evaluations.get(world.tenant, "eval-1")
    assert (found.parts, found.lease) == ({}, None)
    assert found.status == (status if status == EvaluationStatus.COMPLETED else EvaluationStatus.REQUESTED)
    assert CANARY.encode() not in stored_bytes(world)


def test_an_evaluation_that_is_being_worked_on_is_waited_for(world: World, later: Later) -> None:
    export = prepared(world)
    an_evaluation(
        world,
        export["id"],
        status=EvaluationStatus.RUNNING,
        lease=Lease(owner="somebody", until=utc_now() + timedelta(seconds=600)),
    )
    asked = erase_subject(world, SUBJECT).body

    with pytest.raises(Exception, match="SweepIncomplete"):
        world.schedule("erase-examples")
    waiting = erasure(world, asked["id"])["status"]
    later(HOURS_3)
    world.schedule("erase-examples")

    assert (waiting, erasure(world, asked["id"])["status"]) == ("excluded", "rewritten")
    assert example_id(LINES[-1]) not in example_ids(world)
