"""File imports: what a provider's status of a file means, in whatever spelling."""

import pytest

from tuneloop.domain.training.jobs import ImportState, state_of


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("processed", ImportState.READY),
        ("Succeeded", ImportState.READY),
        ("uploaded", ImportState.UPLOADED),
        ("pending", ImportState.IMPORTING),
        ("notRunning", ImportState.IMPORTING),
        ("in_progress", ImportState.IMPORTING),
        ("In Progress", ImportState.IMPORTING),
        ("PROCESSING", ImportState.IMPORTING),
        ("error", ImportState.FAILED),
        ("Cancelled", ImportState.FAILED),
        ("deleted", ImportState.GONE),
        ("something-new", ImportState.UNKNOWN),
        ("", ImportState.UNKNOWN),
        (None, ImportState.UNKNOWN),
        (5, ImportState.UNKNOWN),
        (["processed"], ImportState.UNKNOWN),
    ],
)
def test_a_status_is_known_by_its_word_and_else_unknown(status: object, state: ImportState) -> None:
    assert state_of(status) == state
