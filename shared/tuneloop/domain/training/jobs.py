"""Jobs: what a provider is asked to train, and what it says about it, in our words.

Only a job's `status` stays the provider's own, shown where we don't know it.
"""

from datetime import datetime
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
