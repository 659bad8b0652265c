"""Responses of providers on OpenAI's wire: their jobs, events, checkpoints and files, read leniently into our words.

Servers leave fields out and put odd values into others. A job without an id and a status can't be read; an odd value in
any other field counts as absent. Texts are cut, as they end up in a row of the table. Why a job failed is told by the
provider's codes and in our own words: its sentences may quote examples, prompts and keys.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    Field,
    FiniteFloat,
    StringConstraints,
    ValidationError,
)
from pydantic_core import from_json

from tuneloop.domain.core.json_values import REPLACEMENT, read_leniently
from tuneloop.domain.core.redaction import safe_code
from tuneloop.domain.training.jobs import (
    FileImport,
    JobOrigin,
    ProviderJob,
    RunCheckpoint,
    RunError,
    RunEvent,
    state_of,
)
from tuneloop.openai_wire.shape import LARGEST_COUNT, LenientField
from tuneloop.providers.port import ListedModel

PREFIX = "tuneloop_"
RUN_KEY = f"{PREFIX}run"
DEFAULT_CODE = "provider_error"
NO_REASON = "The provider gave no reason."
ITS_WORDS = "Its own words may quote the data and are not kept; the run's events show them."
# Characters of a provider's text that are kept: a run's row holds 400 KB in all.
LONGEST_TEXT = 2000
# More epochs than any provider trains: a number above it makes no sense, and costs would be computed by it.
MOST_EPOCHS = 1000
LARGEST_FIGURE = 1e100  # of what a row of the table can hold; no loss is anywhere near


def _cut(value: object) -> object:
    return value[:LONGEST_TEXT] if isinstance(value, str) else value


def _named(identity: str) -> str:
    if REPLACEMENT in identity:  # nothing is found by it
        raise ValueError("an id with half a character")
    return identity


Required = Annotated[str, BeforeValidator(_cut), StringConstraints(min_length=1)]
Text = Annotated[Required | None, LenientField]
Count = Annotated[Annotated[int, Field(ge=0, le=LARGEST_COUNT)] | None, LenientField]
Figure = Annotated[Annotated[FiniteFloat, Field(ge=-LARGEST_FIGURE, le=LARGEST_FIGURE)] | None, LenientField]
Moment = Annotated[AwareDatetime | None, BeforeValidator(lambda seconds: seconds or None), LenientField]


class _Job(BaseModel):
    id: Annotated[Required, AfterValidator(_named)]
    status: Required
    fine_tuned_model: Text = None
    trained_tokens: Count = None
    created_at: Moment = None
    finished_at: Moment = None
    estimated_finish: Moment = None
    training_file: Text = None


class _Metrics(BaseModel):
    step: Count = None
    total_steps: Count = None
    train_loss: Figure = None
    valid_loss: Figure = None
    full_valid_loss: Figure = None


class _Event(BaseModel):
    id: Text = None
    created_at: Moment = None
    level: Text = None
    message: Text = None


def object_in(content: bytes) -> dict[str, Any]:
    """The JSON object that a body is, half characters and endless numbers in it replaced; else ValueError.

    A list holds what all users of an account made, and one text of theirs must not hide the rest.
    """
    try:
        value = from_json(content)
    except ValueError:
        value = read_leniently(content)
    if not isinstance(value, dict):
        raise ValueError("the body is not a JSON object")
    return value


def job_in(fields: Mapping[str, Any]) -> ProviderJob:
    """A job; ValidationError where it has no id or no status."""
    job = _Job.model_validate(fields)
    if job.status == "succeeded" and not job.trained_tokens:  # nothing is trained of no tokens: they weren't counted
        job.trained_tokens = None
    metadata = fields.get("metadata")
    run = metadata.get(RUN_KEY) if isinstance(metadata, dict) else None
    return ProviderJob(
        **job.model_dump(),
        error=_error_in(fields.get("error"), job.status),
        run=run if isinstance(run, str) else None,
        origin=_origin_in(metadata) if isinstance(metadata, dict) else None,
        base_model=model if isinstance(model := fields.get("model"), str) else None,
        n_epochs=_epochs_in(fields),
    )


def file_import_in(fields: Mapping[str, Any]) -> FileImport:
    """How far the import of a file is."""
    status, error = fields.get("status"), fields.get("error")
    code = error.get("code") if isinstance(error, dict) else fields.get("status_details")
    return FileImport(state_of(status), safe_code(status), safe_code(code))


def metadata_of(origin: JobOrigin) -> dict[str, str]:
    """What a job carries of its run: at most 16 pairs of 64 and 512 characters are taken."""
    return {f"{PREFIX}{name}": str(value) for name, value in origin.model_dump().items()}


def listed_model_in(fields: Mapping[str, Any]) -> ListedModel:
    """A model of the provider's list; ValidationError where it has no id."""
    return ListedModel.model_validate({name: fields.get(name) for name in ListedModel.model_fields})


def _origin_in(metadata: Mapping[str, Any]) -> JobOrigin | None:
    said = {name: metadata.get(f"{PREFIX}{name}") for name in JobOrigin.model_fields}
    try:
        return JobOrigin.model_validate(said)
    except ValidationError:
        return None


def _epochs_in(fields: Mapping[str, Any]) -> int | None:
    """How many epochs the provider settled on, in OpenAI's older place or its newer one."""
    method = fields.get("method")
    kind = method.get(str(method.get("type"))) if isinstance(method, dict) else None
    for place in (kind, fields):
        chosen = place.get("hyperparameters") if isinstance(place, dict) else None
        epochs = chosen.get("n_epochs") if isinstance(chosen, dict) else None
        if isinstance(epochs, int) and 0 < epochs <= MOST_EPOCHS:
            return epochs
    return None


def event_in(fields: Mapping[str, Any]) -> RunEvent:
    """An event, with the figures of a step where it has any."""
    event = _Event.model_validate(fields)
    data = fields.get("data")
    metrics = _Metrics.model_validate(data if isinstance(data, dict) else {})
    return RunEvent(
        id=event.id or "",
        at=event.created_at,
        level=safe_code(event.level) or "info",
        message=event.message or "",
        step=metrics.step,
        total_steps=metrics.total_steps,
        train_loss=metrics.train_loss,
        valid_loss=metrics.valid_loss if metrics.full_valid_loss is None else metrics.full_valid_loss,
    )


def checkpoint_in(fields: Mapping[str, Any]) -> RunCheckpoint | None:
    """A checkpoint; None where it has no id or no model."""
    identity, model = fields.get("id"), fields.get("fine_tuned_model_checkpoint")
    if not isinstance(identity, str) or not isinstance(model, str):
        return None
    event = _Event.model_validate(fields)
    data = fields.get("metrics")
    metrics = _Metrics.model_validate(data if isinstance(data, dict) else {})
    numbered = _Metrics.model_validate({"step": fields.get("step_number")})
    return RunCheckpoint(
        id=identity,
        at=event.created_at,
        model=model,
        step=metrics.step if numbered.step is None else numbered.step,
        train_loss=metrics.train_loss,
        valid_loss=metrics.valid_loss if metrics.full_valid_loss is None else metrics.full_valid_loss,
    )


def _error_in(value: object, status: str) -> RunError | None:
    said = value if isinstance(value, dict) else {"message": value}
    code, about = safe_code(said.get("code")), safe_code(said.get("param"))
    if not said.get("code") and not said.get("message"):
        return RunError(code=DEFAULT_CODE, message=NO_REASON) if status == "failed" else None
    what = " ".join([code or DEFAULT_CODE, *([f"({about})"] if about else [])])
    return RunError(code=code or DEFAULT_CODE, message=f"The provider ended the job: {what}. {ITS_WORDS}")
