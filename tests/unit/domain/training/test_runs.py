"""Training runs: which moves there are, and what a provider's news may and may not do."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.unit.factories import NOW, SECOND, a_job, a_run
from tuneloop.domain.core.errors import Conflict
from tuneloop.domain.core.leases import Lease
from tuneloop.domain.training.jobs import RunError, RunEvent
from tuneloop.domain.training.model_offers import TrainingHyperparameters
from tuneloop.domain.training.runs import (
    AT_PROVIDER,
    MOVES,
    TERMINAL,
    RunStatus,
    adopt_job,
    merge_events,
    merge_job,
    miss_job,
    run_id,
)

S = RunStatus
LEGAL = {
    S.REQUESTED: "awaiting_confirmation submitting failed cancelled",
    S.AWAITING_CONFIRMATION: "requested cancelled",
    S.SUBMITTING: "validating_files queued running succeeded failed cancelled",
    S.VALIDATING_FILES: "queued running succeeded failed cancelled",
    S.QUEUED: "running succeeded failed cancelled",
    S.RUNNING: "queued succeeded failed cancelled",
    S.SUCCEEDED: "",
    S.FAILED: "",
    S.CANCELLED: "",
}
STAGE = {
    S.REQUESTED: 0,
    S.AWAITING_CONFIRMATION: 0,
    S.SUBMITTING: 1,
    S.VALIDATING_FILES: 2,
    S.QUEUED: 3,
    S.RUNNING: 3,
    S.SUCCEEDED: 4,
    S.FAILED: 4,
    S.CANCELLED: 4,
}
STATUSES = st.sampled_from(RunStatus)
REPORTED = st.sampled_from([*(status.value for status in RunStatus), "paused", "Succeeded", "", "pending"])
PARTS: dict[str, Any] = {
    "tenant": "acme",
    "model": "support",
    "export": "export-1",
    "provider": "trainer",
    "base_model": "base-1",
    "hyperparameters": {"n_epochs": 3},
    "attempt": 1,
}


@pytest.mark.parametrize("to", RunStatus)
@pytest.mark.parametrize("status", RunStatus)
def test_a_run_makes_the_legal_moves_and_no_other(status: RunStatus, to: RunStatus) -> None:
    run = a_run(status=status)

    if to == status or to in LEGAL[status].split():
        assert run.with_status(to, waiting_for="x").status == to
    else:
        with pytest.raises(Conflict, match=f"A run that is {status} can't become {to}"):
            run.with_status(to)


def test_the_table_of_moves_knows_every_status() -> None:
    assert set(MOVES) == set(RunStatus) == set(LEGAL)
    assert {status for status, moves in MOVES.items() if not moves} == TERMINAL
    assert set().union(*MOVES.values()) == set(RunStatus)


def test_a_refused_move_says_which_there_are() -> None:
    with pytest.raises(Conflict, match="it can become cancelled, requested"):
        a_run(status=S.AWAITING_CONFIRMATION).with_status(S.RUNNING)
    with pytest.raises(Conflict, match="nothing: it has ended"):
        a_run(status=S.FAILED).with_status(S.REQUESTED)


def test_a_move_takes_changes_along_and_leaves_the_old_run_alone() -> None:
    run = a_run()

    moved = run.with_status(S.SUBMITTING, lease=Lease(owner="w1", until=NOW + 60 * SECOND), waiting_for=None)

    assert moved.lease is not None
    assert (run.status, run.lease) == (S.REQUESTED, None)
    assert moved.seq == run.seq


@given(STATUSES, st.lists(REPORTED, max_size=8))
def test_news_never_moves_a_run_backwards(status: RunStatus, reported: list[str]) -> None:
    run = a_run(status=status)
    for word in reported:
        merged = merge_job(run, a_job(word), NOW)
        assert STAGE[merged.status] >= STAGE[run.status]
        assert merged.status == run.status or merged.status in MOVES[run.status]
        run = merged


@given(st.sampled_from(sorted(TERMINAL)), REPORTED)
def test_what_has_ended_stays_as_it_ended(status: RunStatus, word: str) -> None:
    error = RunError(code="bad_file", message="Line 3 is not JSON.")
    ended = a_run(status=status, error=error, finished_at=NOW, fine_tuned_model="ft-1", trained_tokens=7)

    merged = merge_job(ended, a_job(word, finished_at=NOW + 9 * SECOND), NOW + timedelta(days=1))

    assert (merged.status, merged.error, merged.finished_at) == (status, error, NOW)
    assert (merged.fine_tuned_model, merged.trained_tokens) == ("ft-1", 7)


@given(st.sampled_from(sorted(AT_PROVIDER)), REPORTED)
def test_a_status_that_nobody_knows_is_shown_and_moves_nothing(status: RunStatus, word: str) -> None:
    merged = merge_job(a_run(status=status), a_job(word), NOW)

    assert merged.provider_status == word
    assert word in set(RunStatus) or merged.status == status


def test_an_adopted_job_is_known_by_its_id_and_the_lease_is_given_back() -> None:
    submitting = a_run(status=S.SUBMITTING, lease=Lease(owner="w1", until=NOW + 330 * SECOND))

    queued = merge_job(submitting, a_job("queued"), NOW)
    unclear = merge_job(submitting, a_job("pending"), NOW)

    assert (queued.provider_job_id, queued.lease, queued.checked_at) == ("job-1", None, NOW)
    assert (unclear.provider_job_id, unclear.lease) == ("job-1", submitting.lease)


def test_a_run_that_succeeds_has_all_that_the_provider_says() -> None:
    running = merge_job(a_run(status=S.SUBMITTING), a_job("running"), NOW)
    done = a_job("succeeded", fine_tuned_model="ft-1", trained_tokens=900, finished_at=NOW + 60 * SECOND)

    ended = merge_job(running, done, NOW + 90 * SECOND)

    assert (ended.started_at, ended.finished_at) == (NOW, NOW + 60 * SECOND)
    assert (ended.progress, ended.fine_tuned_model, ended.trained_tokens) == (1.0, "ft-1", 900)
    assert not ended.is_open


def test_a_run_that_was_not_seen_running_started_no_later_than_it_finished() -> None:
    done = a_job("succeeded", finished_at=NOW - 60 * SECOND, fine_tuned_model="ft-1")

    ended = merge_job(a_run(status=S.QUEUED), done, NOW)

    assert ended.started_at == ended.finished_at == NOW - 60 * SECOND


def test_a_success_that_names_no_model_is_waited_for() -> None:
    nameless = merge_job(a_run(status=S.RUNNING, waiting_for="x"), a_job("succeeded"), NOW)
    named = merge_job(nameless, a_job("succeeded", fine_tuned_model="ft-1"), NOW)

    assert (nameless.status, nameless.provider_status, nameless.finished_at) == (S.RUNNING, "succeeded", None)
    assert nameless.waiting_for
    assert nameless.waiting_for.startswith("The trained model's name")
    assert (named.status, named.waiting_for) == (S.SUCCEEDED, None)


@given(REPORTED)
def test_a_run_with_a_job_is_at_the_provider_whatever_its_status(word: str) -> None:
    submitting = a_run(status=S.SUBMITTING, lease=Lease(owner="w1", until=NOW + 330 * SECOND), missed_at=NOW)

    adopted = adopt_job(submitting, a_job(word), NOW)

    assert adopted.status in AT_PROVIDER
    assert (adopted.status == word) == (word in AT_PROVIDER)
    assert (adopted.provider_job_id, adopted.provider_status) == ("job-1", word)
    assert (adopted.lease, adopted.missed_at) == (None, None)


def test_a_job_that_is_not_found_is_looked_for_again_a_minute_later() -> None:
    run = a_run(status=S.RUNNING, provider_job_id="job-1")

    once = miss_job(run, NOW)
    soon = miss_job(once, NOW + 59 * SECOND)
    late = miss_job(soon, NOW + 60 * SECOND)

    assert (once.status, soon.status, soon.missed_at) == (S.RUNNING, S.RUNNING, NOW)
    assert once.waiting_for
    assert (late.status, late.finished_at, late.waiting_for) == (S.FAILED, NOW + 60 * SECOND, None)
    assert late.error
    assert late.error.code == "job_not_found"
    assert "job-1" in late.error.message


def test_a_job_that_is_found_again_was_never_missed() -> None:
    missed = miss_job(a_run(status=S.RUNNING, provider_job_id="job-1"), NOW)

    found = merge_job(missed, a_job("running"), NOW + 30 * SECOND)

    assert (found.missed_at, found.waiting_for) == (None, None)
    assert miss_job(found, NOW + 90 * SECOND).status == S.RUNNING


def test_a_run_that_fails_says_why_and_when() -> None:
    error = RunError(code="invalid_file", message="Line 3 is not JSON.")

    ended = merge_job(a_run(status=S.VALIDATING_FILES, progress=0.2), a_job("failed", error=error), NOW)

    assert (ended.error, ended.finished_at, ended.progress) == (error, NOW, 0.2)


def test_an_error_on_a_job_that_goes_on_is_not_the_run_s() -> None:
    passing = RunError(code="rate_limited", message="Try again.")

    assert merge_job(a_run(status=S.QUEUED), a_job("running", error=passing), NOW).error is None


def test_zero_trained_tokens_are_known_to_be_zero() -> None:
    assert merge_job(a_run(status=S.RUNNING), a_job("cancelled", trained_tokens=0), NOW).trained_tokens == 0
    assert merge_job(a_run(status=S.RUNNING), a_job("cancelled"), NOW).trained_tokens is None


def an_event(step: int | None, second: int = 0, **metrics: Any) -> RunEvent:
    return RunEvent(id=f"e{step}-{second}", at=NOW + second * SECOND, message="Step", step=step, **metrics)


@given(st.permutations([an_event(step, step, total_steps=8, train_loss=1 / step) for step in range(1, 7)]))
def test_events_in_any_order_show_the_latest_step(events: list[RunEvent]) -> None:
    run = merge_events(a_run(status=S.RUNNING), events)

    assert (run.step, run.total_steps, run.train_loss, run.progress) == (6, 8, 1 / 6, 0.75)


def test_an_event_without_a_loss_hides_none() -> None:
    run = merge_events(
        a_run(), [an_event(2, train_loss=0.5, valid_loss=0.6), an_event(3, train_loss=0.4), an_event(None)]
    )

    assert (run.step, run.train_loss, run.valid_loss) == (3, 0.4, 0.6)


def test_events_without_a_moment_are_merged_by_their_steps() -> None:
    timeless = RunEvent(id="", message="", step=4, train_loss=0.3)

    run = merge_events(a_run(status=S.RUNNING), [timeless, an_event(3, train_loss=0.4), timeless])

    assert (run.step, run.train_loss) == (4, 0.3)


def test_no_events_change_nothing_and_progress_ends_at_one() -> None:
    run = a_run(status=S.RUNNING, step=3, progress=0.3)

    assert merge_events(run, []) == run
    assert merge_events(run, [an_event(12, total_steps=10)]).progress == 1.0
    assert (
        merge_events(
            run.model_copy(update={"status": S.SUCCEEDED, "progress": 1.0}), [an_event(3, total_steps=10)]
        ).progress
        == 1.0
    )


OTHER: dict[str, Any] = {
    "tenant": "initech",
    "model": "sales",
    "export": "export-2",
    "provider": "openai",
    "base_model": "base-2",
    "hyperparameters": {"n_epochs": 4},
    "attempt": 2,
    "method": "dpo",
}


@pytest.mark.parametrize("part", sorted(OTHER))
def test_whatever_defines_a_run_makes_another_run(part: str) -> None:
    assert run_id(**PARTS) != run_id(**{**PARTS, part: OTHER[part]})


def test_asking_twice_is_asking_once() -> None:
    one = run_id(**{**PARTS, "hyperparameters": {"n_epochs": 3, "batch_size": 8}})
    other = run_id(**{**PARTS, "hyperparameters": {"batch_size": 8, "n_epochs": 3}})

    assert one == other
    assert one.startswith("run-")


@pytest.mark.parametrize(
    "chosen",
    [
        {"n_epochs": 0},
        {"n_epochs": 2.5},
        {"n_epochs": 1001},
        {"batch_size": 0},
        {"learning_rate": 0},
        {"beta": float("nan")},
        {"prompt_loss_weight": 0.1},
        {"learning_rate_multiplier": 0},
        {"learning_rate_multiplier": float("inf")},
        {"epochs": 3},
    ],
)
def test_hyperparameters_that_no_provider_could_mean_are_refused(chosen: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TrainingHyperparameters.model_validate(chosen)


def test_what_is_left_out_is_up_to_the_provider() -> None:
    assert TrainingHyperparameters().model_dump(exclude_none=True) == {}
    assert TrainingHyperparameters(n_epochs=50, batch_size=1, learning_rate_multiplier=0.1).n_epochs == 50
