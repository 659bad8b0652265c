"""File imports: what a provider makes of a file between its upload and the first job that can train on it.

OpenAI processes a file at once and calls its `status` deprecated. Azure and other hosts import a file first, for
seconds to minutes, and refuse a job on it until it is `processed`.
"""

import re
from enum import StrEnum
from typing import NamedTuple


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
STATES = {word: state for state, words in _WORDS.items() for word in words}


def state_of(status: object) -> ImportState:
    """What a provider's status of a file means."""
    if not isinstance(status, str):
        return ImportState.UNKNOWN
    return STATES.get(re.sub(r"[\s_-]", "", status).lower(), ImportState.UNKNOWN)
