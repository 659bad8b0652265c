"""The request and response models of the datasets routes."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from tuneloop.domain.chat.examples import Problem, Split
from tuneloop.domain.core.ids import Name
from tuneloop.domain.core.limits import EXAMPLES_PER_CALL, FILENAME_CHARACTERS
from tuneloop.domain.core.pricing import Usd
from tuneloop.domain.datasets.csv_reader import CsvColumns
from tuneloop.domain.datasets.datasets import DatasetChange, OnDrop, OnInvalid
from tuneloop.domain.datasets.drops import FILENAME, DropStatus
from tuneloop.domain.datasets.policy import DEFAULT, Policy
from tuneloop.domain.datasets.votes import TrustPolicy

# An example as the OpenAPI document shows it; `read_record` checks what it really holds.
FORMS: dict[str, Any] = {
    "messages": {"type": "array", "items": {"type": "object"}, "description": "In OpenAI's fine-tuning format."},
    "user_message": {"type": "string", "description": "With `assistant_response`, in place of `messages`."},
    "assistant_response": {"type": "string"},
    "prompt": {"type": "string", "description": "With `completion`, the same by other names."},
    "completion": {"type": "string"},
    "input": {
        "anyOf": [{"type": "string"}, {"type": "object"}],
        "description": "With `output`, rendered through the dataset's template; or of a preference pair.",
    },
    "output": {"description": "The answer, as text or as JSON."},
    "preferred_output": {"description": "With `non_preferred_output`, of a preference pair in OpenAI's format."},
    "non_preferred_output": {"description": "What was liked less."},
}
OPTIONAL: dict[str, Any] = {
    "tools": {"type": "array", "items": {"type": "object"}},
    "functions": {"type": "array", "items": {"type": "object"}, "description": "`tools` in OpenAI's older form."},
    "parallel_tool_calls": {"type": "boolean"},
    "split": {"type": "string", "enum": [*Split]},
    "quality": {"type": "number", "minimum": 0, "maximum": 1},
    **{name: {"type": "string"} for name in ("subject", "group", "category", "source")},
    "created_at": {"type": "string", "format": "date-time"},
}
POSTED_SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {name: {"anyOf": [schema, {"type": "null"}]} for name, schema in (FORMS | OPTIONAL).items()},
}
# Any JSON is taken here: `read_record` also refuses what isn't an object, and names the example's place in the call.
PostedExample = Annotated[Any, WithJsonSchema(POSTED_SCHEMA)]


class NewDataset(DatasetChange):
    """A dataset to create; everything but its name has a default."""

    id: Name


class NewExamples(BaseModel):
    """Up to 500 examples, each in one form, and optional `split`, `quality`, `category`, `source`, `subject`, `group`.

    A form is `messages`, `{user_message, assistant_response}`, `{prompt, completion}`, `{input, output}`, or a
    preference pair.
    """

    model_config = ConfigDict(extra="forbid")

    examples: list[PostedExample] = Field(min_length=1, max_length=EXAMPLES_PER_CALL)


class NewUpload(BaseModel):
    """A file to upload; `split` puts all of its lines into one split, without it they are divided."""

    model_config = ConfigDict(extra="forbid")

    filename: str = Field(pattern=FILENAME, max_length=FILENAME_CHARACTERS)
    split: Split | None = None


class UploadView(BaseModel):
    """A presigned form: POST it to `url` as `multipart/form-data`, every field first and last the file as `file`."""

    url: str
    fields: dict[str, str]
    object: str
    expires_at: datetime


def _latest_policy(policies: list[dict[str, Any]]) -> Any:
    return policies[-1]["policy"] if policies else DEFAULT


class TemplateView(BaseModel):
    """The template that `{input, output}` examples are rendered through; versions count from the first template on."""

    version: int
    system: str | None = None
    user: str
    answer_schema: dict[str, Any] | None = None


def _latest_template(templates: list[dict[str, Any]]) -> Any:
    return {"version": templates[-1]["version"], **templates[-1]["template"]} if templates else None


class DatasetView(BaseModel):
    """A dataset as the API shows it; `revision` counts its changes, `exported_revision` is the latest one exported."""

    id: Name
    model: Name
    provider: Name | None = None
    base_model: str
    on_drop: OnDrop
    on_invalid: OnInvalid
    max_run_usd: Usd
    train_on_review: bool
    trust: TrustPolicy
    trusted_subjects: list[str]
    required_examples: int
    required_per_category: int
    policy: Annotated[Policy, BeforeValidator(_latest_policy), Field(validation_alias="policies")]
    template: Annotated[TemplateView | None, BeforeValidator(_latest_template), Field(validation_alias="templates")]
    csv: CsvColumns | None = None
    examples: Annotated[int, Field(description="Lines collected: an example that came twice counts twice.")]
    segments: int
    revision: int
    exported_revision: int
    changed_at: datetime | None = None
    created_at: datetime


class DropView(BaseModel):
    """A drop or post as the API shows it: its status, and the problems of the first hundred lines that can't be used.

    `template` is the version of the dataset's template through which its `{input, output}` lines are rendered.
    """

    id: Name
    dataset: Name
    object: str
    status: DropStatus
    template: int | None = None
    lines: int
    examples: int
    problem_count: int
    problems: list[Problem]
    created_at: datetime
    finished_at: datetime | None = None
