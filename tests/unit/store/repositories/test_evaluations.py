"""Evaluations: swept while open, listed for good, and held by one worker at a time."""

from datetime import timedelta
from typing import Any

import pytest

from tests.unit.factories import NOW, SECOND, an_evaluation
from tuneloop.app import App
from tuneloop.domain.core.errors import NotFound, Stale
from tuneloop.domain.core.leases import Lease
from tuneloop.domain.evaluation.evaluations import ArmName, EvaluationStatus
from tuneloop.domain.events import EvaluationRequested

REQUESTED = EvaluationRequested(tenant="acme", evaluation="eval-1")


def test_an_evaluation_is_given_back_as_it_is_stored(app: App) -> None:
    stored = app.evaluations.save(an_evaluation(parts={ArmName.STABLE: 250}), event=REQUESTED, now=NOW)

    assert stored == app.evaluations.get("acme", "eval-1")
    assert [row.event_type for row in app.outbox.backlog(NOW + SECOND)] == ["EvaluationRequested"]


def test_an_evaluation_that_is_not_there_or_another_tenant_s_is_named(app: App) -> None:
    app.evaluations.save(an_evaluation(), now=NOW)

    with pytest.raises(NotFound, match="There is no evaluation eval-1"):
        app.evaluations.get("initech", "eval-1")

    assert app.evaluations.find("acme", "eval-2") is None


def test_of_two_workers_one_gets_the_lease(app: App) -> None:
    seen = app.evaluations.save(an_evaluation(), now=NOW)
    app.evaluations.save(seen.model_copy(update={"lease": Lease(owner="w1", until=NOW + 60 * SECOND)}), now=NOW)

    with pytest.raises(Stale):
        app.evaluations.save(seen.model_copy(update={"lease": Lease(owner="w2", until=NOW + 60 * SECOND)}), now=NOW)

    held = app.evaluations.get("acme", "eval-1").lease
    assert held is not None
    assert held.owner == "w1"


def test_each_continuation_is_an_event_of_its_own(app: App) -> None:
    stored = app.evaluations.save(an_evaluation(), event=REQUESTED, now=NOW)
    app.evaluations.save(stored, event=REQUESTED, now=NOW + SECOND)

    assert len(list(app.outbox.backlog(NOW + 2 * SECOND))) == 2


def looked(app: App, identity: str, now: Any = NOW, **changes: Any) -> int:
    """Let an evaluation begin; gives the number of its look."""
    asked = app.evaluations.save(an_evaluation(id=identity, look=0, **changes), now=now)
    return app.evaluations.begin(asked, now).look


def test_each_evaluation_that_begins_is_the_next_look_at_the_test_rows(app: App) -> None:
    assert [looked(app, f"eval-{number}") for number in range(1, 13)] == list(range(1, 13))
    assert looked(app, "eval-other", dataset="sales") == 1
    assert app.evaluations.get("acme", "eval-12").look == 12


def test_a_look_counts_for_a_year(app: App) -> None:
    looked(app, "eval-1")
    looked(app, "eval-2", now=NOW + timedelta(days=200))

    assert looked(app, "eval-3", now=NOW + timedelta(days=364)) == 3
    assert looked(app, "eval-4", now=NOW + timedelta(days=366)) == 3
    assert looked(app, "eval-5", now=NOW + timedelta(days=1000)) == 1


def test_of_two_looks_at_the_same_moment_one_is_the_second(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    rivals: list[int] = []
    commit = app.table.commit

    def commit_after_a_rival(*writes: Any) -> None:
        monkeypatch.setattr(app.table, "commit", commit)
        rivals.append(looked(app, "eval-rival"))
        commit(*writes)

    monkeypatch.setattr(app.table, "commit", commit_after_a_rival)

    assert (looked(app, "eval-1"), rivals) == (2, [1])


def test_an_evaluation_that_somebody_else_took_takes_no_look(app: App) -> None:
    asked = app.evaluations.save(an_evaluation(look=0), now=NOW)
    app.evaluations.save(asked, now=NOW)

    with pytest.raises(Stale):
        app.evaluations.begin(asked, NOW)

    assert looked(app, "eval-2") == 1


def test_an_evaluation_that_begins_anew_keeps_its_look(app: App) -> None:
    first = app.evaluations.begin(app.evaluations.save(an_evaluation(look=0), now=NOW), NOW)

    again = app.evaluations.begin(first, NOW)

    assert (first.look, again.look, looked(app, "eval-2")) == (1, 1, 2)


def test_open_evaluations_of_all_tenants_are_swept_until_they_end(app: App) -> None:
    first = app.evaluations.save(an_evaluation(status=EvaluationStatus.RUNNING), now=NOW)
    app.evaluations.save(an_evaluation(tenant="initech", created_at=NOW + SECOND), now=NOW)

    assert [evaluation.tenant for evaluation in app.evaluations.open()] == ["acme", "initech"]
    app.evaluations.save(first.model_copy(update={"status": EvaluationStatus.COMPLETED}), now=NOW)

    assert [evaluation.tenant for evaluation in app.evaluations.open()] == ["initech"]


def test_evaluations_are_listed_newest_first_to_their_tenant_alone(app: App) -> None:
    for number in (1, 2, 3):
        app.evaluations.save(an_evaluation(id=f"eval-{number}", created_at=NOW + number * SECOND), now=NOW)

    first = app.evaluations.page("acme", 2, None)

    assert [evaluation.id for evaluation in first.data] == ["eval-3", "eval-2"]
    assert [evaluation.id for evaluation in app.evaluations.page("acme", 2, first.cursor).data] == ["eval-1"]
    assert app.evaluations.page("initech", 2, None).data == []
