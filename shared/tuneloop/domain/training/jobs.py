"""Jobs: what a provider is asked to train and on which files, and what it reports of both, in our words.

Only a job's `status` stays the provider's own, and is shown as it is where we don't know it. OpenAI processes a file at
once and calls its `status` deprecated; Azure and other hosts import a file first, for seconds to minutes, and refuse a
job on the file until it is `processed`.
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
    """How a model is trained: on examples of the right answer, or on pairs of a better and a worse answer (DPO)."""

    SUPERVISED = "supervised"
    PREFERENCE = "preference"


class ImportState(StrEnum):
    """How far the import of an uploaded file is; some servers report `uploaded` for ever of a file that is ready."""

    READY = "ready"
    UPLOADED = "uploaded"
    IMPORTING = "importing"
    FAILED = "failed"
    GONE = "gone"
    UNKNOWN = "unknown"


# Statuses in OpenAI's and Azure's references, and of servers modelled on them; case and separators don't count.
PROVIDER_WORDS = {
    ImportState.READY: {"processed", "succeeded", "ready", "completed", "imported", "success", "active"},
    ImportState.UPLOADED: {"uploaded"},
    ImportState.IMPORTING: {"pending", "running", "processing", "importing", "validating", "queued", "inprogress"}
    | {"notrunning", "notstarted", "uploading", "created", "submitted"},
    ImportState.FAILED: {"error", "failed", "failure", "invalid", "rejected", "canceled", "cancelled", "expired"},
    ImportState.GONE: {"deleted", "deleting"},
}
# Azure takes minutes for files of some hundred MB. An import that still goes on after a day is stuck: the job is then
# tried all the same, and the provider's refusal ends the run.
IMPORT_WAIT = timedelta(days=1)
# Some servers report `uploaded` for ever of a file that is ready: the sweep looks twice, then the job is tried.
UPLOADED_WAIT = timedelta(minutes=10)
# A server that reports `uploaded` may refuse a job, in words that we don't know, because the file isn't ready, or for
# good: after an hour it counts as for good.
REFUSED_WAIT = timedelta(hours=1)
# Several events may ask for one run within a second, and an import takes longer than that.
IMPORT_POLL_AFTER = timedelta(seconds=30)
LONGEST_WAITS = {ImportState.IMPORTING: IMPORT_WAIT, ImportState.UPLOADED: UPLOADED_WAIT}
FILE_NAMES = {Split.TRAIN: "training file", Split.VALIDATION: "validation file"}
WAITING_FOR_FILE = "The provider to be ready for a job on the file: it refused one while it was still importing it."
STATES = {word: state for state, words in PROVIDER_WORDS.items() for word in words}


class TrainingFile(NamedTuple):
    """A file that a run sends to its provider, under a name by which it is found again."""

    tenant: str
    run: str
    split: Split

    @property
    def name(self) -> str:
        """The file's name at a provider; an adapter puts the stage's name before it where stages share an account."""
        return f"{self.run}-{self.split}.jsonl"


class JobOrigin(BaseModel):
    """What a job carries at its provider of its run, so that the run can be made again if its row is lost."""

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
    """A second job that was created for a run by accident: it is cancelled, and paid for as far as it trained."""

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


class FileImport(NamedTuple):
    """The state of a file's import; `provider_status` and `error` are the provider's own words, if each is one word."""

    state: ImportState
    provider_status: str | None = None
    error: str | None = None


def state_of(status: object) -> ImportState:
    """What a provider's status of a file means."""
    if not isinstance(status, str):
        return ImportState.UNKNOWN
    return STATES.get(re.sub(r"[\s_-]", "", status).lower(), ImportState.UNKNOWN)


def refusal_of_imports(imports: Mapping[Split, FileImport]) -> RunError | None:
    """Why a run fails whose provider could not import one of its files; None where each is imported, or may be yet."""
    for split, file in imports.items():
        if file.state == ImportState.FAILED:
            code = f" ({file.error})" if file.error and file.error != file.provider_status else ""
            message = (
                f"The provider could not import the {FILE_NAMES[split]}: its status is `{file.provider_status}`{code}. "
                "Its own words may quote the data and are not kept; its console shows them. Retry the run once the "
                "data is mended."
            )
            return RunError(code="file_import_failed", message=message)
    return None


def wait_for_imports(imports: Mapping[Split, FileImport], since: datetime | None, now: datetime) -> str | None:
    """What a run, waiting `since`, has to wait for before its job is tried; None where the job is to be tried now."""
    for split, file in imports.items():
        longest = LONGEST_WAITS.get(file.state)
        if longest and (since is None or now - since < longest):
            return f"The provider to import the {FILE_NAMES[split]}: it says `{file.provider_status or file.state}`."
    return None


def may_become_ready(
    imports: Mapping[Split, FileImport], since: datetime | None, now: datetime, *, is_reported: bool
) -> bool:
    """Whether to try a refused job again later, because a file may not have been imported yet.

    `is_reported` says that the provider named that as its reason; else it may be the reason while a file's import is
    unclear. `since` is when the run began to wait.
    """
    waited = now - since if since else timedelta(0)
    is_unclear = any(file.state in LONGEST_WAITS for file in imports.values())
    return waited < IMPORT_WAIT if is_reported else is_unclear and waited < REFUSED_WAIT
