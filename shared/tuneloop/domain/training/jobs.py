"""Jobs: what a provider is asked to train, with which files, and what it says about both, in our words.

Only a job's `status` stays the provider's own, shown where we don't know it. OpenAI processes a file at once and calls
its `status` deprecated; Azure and other hosts import a file first, for seconds to minutes, and refuse a job on it until
it is `processed`.
"""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from pydantic import BaseModel

from tuneloop.domain.chat.examples import Split
from tuneloop.domain.core.pricing import Usd


class TrainingMethod(StrEnum):
    """What is trained on: examples of what to answer, or pairs of a better and a worse answer."""

    SUPERVISED = "supervised"
    PREFERENCE = "preference"


class TrainingFile(NamedTuple):
    """A file that a run sends to its provider, under a name by which it is found again."""

    tenant: str
    run: str
    split: Split

    @property
    def name(self) -> str:
        """The name that it has at a provider, behind that of its stage where several may share an account."""
        return f"{self.run}-{self.split}.jsonl"


class JobOrigin(BaseModel):
    """What a job carries at its provider, so that its run can be made again where its row was lost."""

    stage: str
    tenant: str
    run: str
    model: str
    dataset: str
    export: str
    revision: int
    attempt: int


class RunError(BaseModel):
    """Why a run failed: the provider's code or ours, and a message of ours that quotes nothing."""

    code: str
    message: str
    param: str | None = None


class OtherJob(BaseModel):
    """A second job that came to be for a run: cancelled, and paid for as far as it came."""

    id: str
    status: str
    trained_tokens: int | None = None
    cost_usd: Usd | None = None


class ProviderJob(BaseModel):
    """What a provider says about a job, in our words except for `status`, which is the provider's own."""

    id: str
    status: str
    fine_tuned_model: str | None = None
    trained_tokens: int | None = None
    created_at: datetime | None = None
    finished_at: datetime | None = None
    estimated_finish: datetime | None = None
    error: RunError | None = None
    run: str | None = None
    origin: JobOrigin | None = None
    base_model: str | None = None
    training_file: str | None = None
    n_epochs: int | None = None


class RunCheckpoint(BaseModel):
    """A model that a provider kept from the end of an epoch, by its own name for it."""

    id: str
    at: datetime | None = None
    model: str
    step: int | None = None
    train_loss: float | None = None
    valid_loss: float | None = None


class RunEvent(BaseModel):
    """One thing that a provider reported while training; losses as the provider computes them."""

    id: str
    at: datetime | None = None
    level: str = "info"
    message: str
    step: int | None = None
    total_steps: int | None = None
    train_loss: float | None = None
    valid_loss: float | None = None


class ImportState(StrEnum):
    """How far an uploaded file is: `uploaded` may be the last that a server ever says of one that is ready."""

    READY = "ready"
    UPLOADED = "uploaded"
    IMPORTING = "importing"
    FAILED = "failed"
    GONE = "gone"
    UNKNOWN = "unknown"


class FileImport(NamedTuple):
    """How far a file is, in our words; `said` is the provider's own word, `error` its code, where they are words."""

    state: ImportState
    said: str | None = None
    error: str | None = None


# The words of OpenAI's and Azure's references, and of servers modelled on them; case and separators don't count.
_WORDS = {
    ImportState.READY: {"processed", "succeeded", "ready", "completed", "imported", "success", "active"},
    ImportState.UPLOADED: {"uploaded"},
    ImportState.IMPORTING: {"pending", "running", "processing", "importing", "validating", "queued", "inprogress"}
    | {"notrunning", "notstarted", "uploading", "created", "submitted"},
    ImportState.FAILED: {"error", "failed", "failure", "invalid", "rejected", "canceled", "cancelled", "expired"},
    ImportState.GONE: {"deleted", "deleting"},
}
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
STATES = {word: state for state, words in _WORDS.items() for word in words}


def state_of(status: object) -> ImportState:
    """What a provider's status of a file means."""
    if not isinstance(status, str):
        return ImportState.UNKNOWN
    return STATES.get(re.sub(r"[\s_-]", "", status).lower(), ImportState.UNKNOWN)


def refusal_of_imports(imports: Mapping[Split, FileImport]) -> RunError | None:
    """Why a run fails: its provider could not import one of its files; None where it imported, or still may."""
    for split, file in imports.items():
        if file.state == ImportState.FAILED:
            word = f"`{file.said}`" + (f" ({file.error})" if file.error and file.error != file.said else "")
            message = (
                f"The provider could not import the {NAMES[split]}: its status is {word}. Its own words may quote the "
                "data and are not kept; its console shows them. Retry the run once the data is mended."
            )
            return RunError(code="file_import_failed", message=message)
    return None


def wait_for_imports(imports: Mapping[Split, FileImport], since: datetime | None, now: datetime) -> str | None:
    """What a run has to wait for before its job is tried; None where it is to be tried now."""
    for split, file in imports.items():
        longest = WAITS.get(file.state)
        if longest and (since is None or now - since < longest):
            return f"The provider to import the {NAMES[split]}: it says `{file.said or file.state}`."
    return None


def may_become_ready(
    imports: Mapping[Split, FileImport], since: datetime | None, now: datetime, *, is_said: bool
) -> bool:
    """Whether to try a refused job again: the provider `is_said` to have no file ready, or may mean just that."""
    waited = now - since if since else timedelta(0)
    is_unclear = any(file.state in WAITS for file in imports.values())
    return waited < IMPORT_WAIT if is_said else is_unclear and waited < REFUSED_WAIT
