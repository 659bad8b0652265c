"""What callers of the datasets routes send and read."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from tuneloop.domain.datasets import DropStatus, OnDrop, OnInvalid
from tuneloop.domain.examples import Problem, Split
from tuneloop.domain.ids import Name
from tuneloop.domain.limits import EXAMPLES_PER_CALL, FILENAME_CHARACTERS, RUN_USD
from tuneloop.domain.policy import DEFAULT, Policy
from tuneloop.domain.pricing import Usd

# An example as the document shows it; what it may hold is checked by `read_example`.
OPTIONAL: dict[str, Any] = {
    "tools": {"type": "array", "items": {"type": "object"}},
    "parallel_tool_calls": {"type": "boolean"},
    "split": {"type": "string", "enum": [*Split]},
    "quality": {"type": "number"},
    **{name: {"type": "string"} for name in ("subject", "group", "category", "source")},
    "created_at": {"type": "string", "format": "date-time"},
}
POSTED: dict[str, Any] = {
    "type": "object",
    "required": ["messages"],
    "additionalProperties": False,
    "properties": {
        "messages": {"type": "array", "items": {"type": "object"}, "description": "In OpenAI's fine-tuning format."},
        **{name: {"anyOf": [schema, {"type": "null"}]} for name, schema in OPTIONAL.items()},
    },
}
Posted = Annotated[dict[str, Any], WithJsonSchema(POSTED)]
FILENAME = r"^[A-Za-z0-9._-]+\.jsonl(\.gz|\.zst)?$"


class NewDataset(BaseModel):
    """A dataset to create; everything but its name has a default."""

    model_config = ConfigDict(extra="forbid")

    id: Name
    base_model: str | None = Field(default=None, min_length=1, max_length=200)
    on_drop: OnDrop | None = None
    on_invalid: OnInvalid | None = None
    max_run_usd: Decimal | None = Field(default=None, ge=0, le=RUN_USD)


class NewExamples(BaseModel):
    """Up to 500 examples: `messages`, and beside them `split`, `quality`, `category`, `source`, `subject`, `group`."""

    model_config = ConfigDict(extra="forbid")

    examples: list[Posted] = Field(min_length=1, max_length=EXAMPLES_PER_CALL)


class NewUpload(BaseModel):
    """A file that is to be uploaded, and the split that all of its lines go into, if not to be divided."""

    model_config = ConfigDict(extra="forbid")

    filename: str = Field(pattern=FILENAME, max_length=FILENAME_CHARACTERS)
    split: Split | None = None


class UploadView(BaseModel):
    """Where to POST the file as `multipart/form-data`: every field first, then the file itself as `file`."""

    url: str
    fields: dict[str, str]
    object: str
    expires_at: datetime


def _latest(policies: list[dict[str, Any]]) -> Any:
    return policies[-1]["policy"] if policies else DEFAULT


class DatasetView(BaseModel):
    """A dataset as its users read it; `revision` counts its changes, `exported_revision` how many are frozen."""

    id: Name
    model: Name
    base_model: str
    on_drop: OnDrop
    on_invalid: OnInvalid
    max_run_usd: Usd
    policy: Annotated[Policy, BeforeValidator(_latest), Field(validation_alias="policies")]
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
