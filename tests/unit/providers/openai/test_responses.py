"""Reports: whatever a server puts into its fields, a job with an id and a status can be read."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.factories import JSON
from tuneloop.providers.openai.responses import LONGEST_TEXT, event_in, job_in, object_in

JOB_FIELDS = (
    "created_at",
    "finished_at",
    "estimated_finish",
    "fine_tuned_model",
    "trained_tokens",
    "error",
    "metadata",
)
FIGURES = ("step", "total_steps", "train_loss", "valid_loss", "full_valid_loss")


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(JOB_FIELDS, JSON)))
def test_no_field_but_id_and_status_makes_a_job_unreadable(odd: dict[str, Any]) -> None:
    job = job_in({"id": "job-1", "status": "paused", **odd})

    assert (job.id, job.status) == ("job-1", "paused")
    assert job.trained_tokens is None or job.trained_tokens >= 0


@given(
    st.fixed_dictionaries({}, optional=dict.fromkeys(("id", "created_at", "level", "message", "data"), JSON)),
    st.fixed_dictionaries({}, optional=dict.fromkeys(FIGURES, JSON)),
)
def test_no_field_makes_an_event_unreadable(odd: dict[str, Any], figures: dict[str, Any]) -> None:
    assert event_in({"data": figures, **odd}).level


@pytest.mark.parametrize(
    ("field", "odd"),
    [
        ("created_at", "yesterday"),
        ("created_at", 0),
        ("created_at", 1e300),
        ("finished_at", "2026-07-01T12:00:00"),
        ("estimated_finish", float("inf")),
        ("trained_tokens", -1),
        ("trained_tokens", 1.5),
        ("trained_tokens", 10**40),
        ("fine_tuned_model", {"name": "ft-1"}),
        ("fine_tuned_model", ""),
        ("run", 5),
    ],
)
def test_a_field_that_makes_no_sense_is_one_that_is_not_there(field: str, odd: Any) -> None:
    fields = {"metadata": {"tuneloop_run": odd}} if field == "run" else {field: odd}

    assert getattr(job_in({"id": "job-1", "status": "queued", **fields}), field) is None


@pytest.mark.parametrize("odd", [1e200, -1e200, 10**200, float("inf"), float("nan"), "1e101", [1.0]])
@pytest.mark.parametrize("figure", ["train_loss", "valid_loss", "full_valid_loss"])
def test_a_loss_beyond_all_bounds_is_none(figure: str, odd: Any) -> None:
    event = event_in({"data": {"step": 3, figure: odd}})

    assert (event.step, event.train_loss, event.valid_loss) == (3, None, None)


def test_texts_are_cut_to_what_a_row_of_the_table_can_hold() -> None:
    assert len(job_in({"id": "job-1", "status": "x" * 500_000}).status) == LONGEST_TEXT
    assert len(event_in({"message": "x" * 500_000}).message) == LONGEST_TEXT


@pytest.mark.parametrize("body", [b"[]", b"5", b"", b"\xff", b"[" * 10_000])
def test_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"object|line 1|deeply"):
        object_in(body)


def test_a_success_that_trained_on_no_tokens_did_not_count_them() -> None:
    succeeded = job_in({"id": "job-1", "status": "succeeded", "trained_tokens": 0})
    cancelled = job_in({"id": "job-1", "status": "cancelled", "trained_tokens": 0})

    assert (succeeded.trained_tokens, cancelled.trained_tokens) == (None, 0)
