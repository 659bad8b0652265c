"""File imports: whether a run's job can be tried, has to wait for its provider to import a file, or can never be."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from tuneloop.domain.chat.examples import Split
from tuneloop.domain.training.file_imports import FileImport, ImportState
from tuneloop.domain.training.jobs import RunError

# Azure takes minutes for files of some hundred MB. What is still importing after a day has got stuck there: the job is
# tried then, and what the provider says to it ends the run.
IMPORT_WAIT = timedelta(days=1)
# Some servers say `uploaded` of a file that is ready, for ever: two looks of the sweep, then the job is tried.
UPLOADED_WAIT = timedelta(minutes=10)
# A server that says `uploaded` may refuse a job in words that we don't know because the file isn't ready, or for good.
REFUSED_WAIT = timedelta(hours=1)
# Several events may ask for one run within a second, and an import takes longer than that.
LOOK_AGAIN_AFTER = timedelta(seconds=30)
WAITS = {ImportState.IMPORTING: IMPORT_WAIT, ImportState.UPLOADED: UPLOADED_WAIT}
NAMES = {Split.TRAIN: "training file", Split.VALIDATION: "validation file"}
NOT_READY = "The provider to be ready for a job on the file: it refused one while it was still importing it."


def refusal_of_imports(imports: Mapping[Split, FileImport]) -> RunError | None:
    """Why a run fails whose file its provider could not import."""
    for split, found in imports.items():
        if found.state == ImportState.FAILED:
            word = f"`{found.said}`" + (f" ({found.error})" if found.error and found.error != found.said else "")
            message = (
                f"The provider could not import the {NAMES[split]}: its status is {word}. Its own words may quote the "
                "data and are not kept; its console shows them. Retry the run once the data is mended."
            )
            return RunError(code="file_import_failed", message=message)
    return None


def wait_for_imports(imports: Mapping[Split, FileImport], since: datetime | None, now: datetime) -> str | None:
    """What a run has to wait for before its job is tried; None where it is to be tried now."""
    for split, found in imports.items():
        longest = WAITS.get(found.state)
        if longest and (since is None or now - since < longest):
            return f"The provider to import the {NAMES[split]}: it says `{found.said or found.state}`."
    return None


def may_become_ready(
    imports: Mapping[Split, FileImport], since: datetime | None, now: datetime, *, is_said: bool
) -> bool:
    """Whether to try a refused job again: the provider `is_said` to have no file ready, or may mean just that."""
    waited = now - since if since else timedelta(0)
    is_unclear = any(found.state in WAITS for found in imports.values())
    return waited < IMPORT_WAIT if is_said else is_unclear and waited < REFUSED_WAIT
