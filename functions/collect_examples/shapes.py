"""What callers of the datasets routes send and read."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from tuneloop.domain.datasets import MOST_USD, DropStatus, OnDrop
from tuneloop.domain.examples import Problem
from tuneloop.domain.ids import Name
from tuneloop.domain.pricing import Usd


class NewDataset(BaseModel):
    """A dataset to create; everything but its name has a default."""

    model_config = ConfigDict(extra="forbid")

    id: Name
    base_model: str | None = Field(default=None, min_length=1, max_length=200)
    on_drop: OnDrop | None = None
    max_run_usd: Decimal | None = Field(default=None, ge=0, le=MOST_USD)


class NewExamples(BaseModel):
    """Up to 500 examples: `messages`, and beside them `split`, `quality`, `category`, `source`, `subject`, `group`."""

    model_config = ConfigDict(extra="forbid")

    examples: list[dict[str, Any]] = Field(min_length=1, max_length=500)


class DatasetView(BaseModel):
    """A dataset as its users read it; `revision` counts its changes, `exported_revision` how many are frozen."""

    id: Name
    model: Name
    base_model: str
    on_drop: OnDrop
    max_run_usd: Usd
    examples: int
    segments: int
    revision: int
    exported_revision: int
    changed_at: datetime | None = None
    created_at: datetime


class DropView(BaseModel):
    """A drop as its users read it: its state, and the first hundred lines that can't be used."""

    id: Name
    dataset: Name
    object: str
    status: DropStatus
    lines: int
    examples: int
    problem_count: int
    problems: list[Problem]
    created_at: datetime
    finished_at: datetime | None = None
