"""Any provider that speaks OpenAI's wire: OpenAI, self-hosted servers, our trainer.

The SDK costs half a second to import, so it is imported by the first call that needs it. Its own retries are on for
reads and off for the create, which carries no idempotency key and would make a second, billed job.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from itertools import islice
from typing import IO, TYPE_CHECKING, Any

from tuneloop.domain.errors import ProviderRefused, ProviderUnavailable
from tuneloop.domain.training import ProviderJob, RunError, RunEvent
from tuneloop.providers.base import Capabilities, JobRequest
from tuneloop.wire.chat import ChatCompletion

if TYPE_CHECKING:
    from openai import OpenAI
    from openai.types.fine_tuning import FineTuningJob, FineTuningJobEvent
    from openai.types.fine_tuning.job_create_params import Method

RUN_KEY = "tuneloop_run"
TIMEOUT_S = 20.0
SUBMIT_TIMEOUT_S = 120.0
PAGE = 100
MOST_LISTED = 1000


class OpenAICompatible:
    """A provider on OpenAI's wire at `base_url`."""

    def __init__(self, name: str, base_url: str, api_key: str) -> None:
        self.name = name
        self.capabilities = Capabilities()
        self._base_url = base_url
        self._api_key = api_key

    @cached_property
    def _client(self) -> "OpenAI":
        from openai import OpenAI  # noqa: PLC0415 - see the module's docstring

        return OpenAI(base_url=self._base_url, api_key=self._api_key, timeout=TIMEOUT_S)

    def find_file(self, name: str) -> str | None:
        """The newest file of that name among the account's fine-tuning files."""
        with _translated():
            files = self._client.files.list(purpose="fine-tune", limit=PAGE, order="desc")
            return next((file.id for file in islice(files, MOST_LISTED) if file.filename == name), None)

    def upload(self, name: str, content: IO[bytes]) -> str:
        """Upload a file for fine-tuning."""
        with _translated():
            uploader = self._client.with_options(timeout=SUBMIT_TIMEOUT_S).files
            return uploader.create(file=(name, content), purpose="fine-tune").id

    def find_job(self, run: str) -> ProviderJob | None:
        """The oldest job with the run's id in its metadata; checked here too, as some servers ignore the filter."""
        with _translated():
            found = self._client.fine_tuning.jobs.list(limit=PAGE, metadata={RUN_KEY: run})
            jobs = [_job(job) for job in islice(found, MOST_LISTED)]
        mine = [job for job in jobs if job.run == run]
        return min(mine, key=lambda job: job.created_at or datetime.max.replace(tzinfo=UTC), default=None)

    def create_job(self, request: JobRequest) -> ProviderJob:
        """Create a supervised fine-tuning job, once."""
        optional: dict[str, Any] = {"validation_file": request.validation_file} if request.validation_file else {}
        with _translated():
            job = self._client.with_options(max_retries=0, timeout=SUBMIT_TIMEOUT_S).fine_tuning.jobs.create(
                model=request.base_model,
                training_file=request.training_file,
                suffix=request.model[:64],
                seed=request.seed,
                method=_supervised(request.hyperparameters),
                metadata={RUN_KEY: request.run, "tuneloop_model": request.model},
                **optional,
            )
        return _job(job)

    def get_job(self, job_id: str, timeout_s: float) -> ProviderJob:
        """A job as it is now."""
        with _translated():
            return _job(self._within(timeout_s).fine_tuning.jobs.retrieve(job_id))

    def jobs(self) -> Iterator[ProviderJob]:
        """The account's jobs, newest first."""
        with _translated():
            yield from map(_job, islice(self._client.fine_tuning.jobs.list(limit=PAGE), MOST_LISTED))

    def events(self, job_id: str, timeout_s: float) -> list[RunEvent]:
        """The latest hundred events, oldest first."""
        with _translated():
            page = self._within(timeout_s).fine_tuning.jobs.list_events(job_id, limit=PAGE)
            return [_event(event) for event in reversed(page.data)]

    def complete(self, request: dict[str, Any], timeout_s: float) -> ChatCompletion:
        """Answer a chat request; fields that the SDK doesn't know travel too."""
        with _translated():
            answer = self._within(timeout_s).post("/chat/completions", body=request, cast_to=object)
        return ChatCompletion.model_validate(answer)

    def _within(self, timeout_s: float) -> "OpenAI":
        return self._client.with_options(timeout=timeout_s, max_retries=0)


@contextmanager
def _translated() -> Iterator[None]:
    """The SDK's errors as ours, without the provider's text: it may quote what was sent."""
    import openai  # noqa: PLC0415 - see the module's docstring

    try:
        yield
    except (openai.APIConnectionError, openai.RateLimitError, openai.InternalServerError) as error:
        raise ProviderUnavailable(
            f"The provider can't answer now ({type(error).__name__}). Try again later."
        ) from error
    except openai.APIStatusError as error:
        what = error.code or error.type or type(error).__name__
        raise ProviderRefused(
            f"The provider refused the call: {error.status_code} {what}.", param=error.param
        ) from error


def _supervised(hyperparameters: dict[str, Any]) -> "Method":
    return {"type": "supervised", "supervised": {"hyperparameters": hyperparameters}}  # type: ignore[typeddict-item]


def _job(job: "FineTuningJob") -> ProviderJob:
    failed = job.error is not None and bool(job.error.code or job.error.message)
    error = RunError(code=job.error.code, message=job.error.message) if failed and job.error else None
    return ProviderJob(
        id=job.id,
        status=job.status,
        fine_tuned_model=job.fine_tuned_model,
        trained_tokens=job.trained_tokens,
        created_at=_moment(job.created_at),
        finished_at=_moment(job.finished_at),
        estimated_finish=_moment(job.estimated_finish),
        error=error,
        run=(job.metadata or {}).get(RUN_KEY),
    )


def _event(event: "FineTuningJobEvent") -> RunEvent:
    data: dict[str, Any] = event.data if isinstance(event.data, dict) else {}
    return RunEvent(
        id=event.id,
        at=datetime.fromtimestamp(event.created_at, UTC),
        level=event.level,
        message=event.message,
        step=data.get("step"),
        total_steps=data.get("total_steps"),
        train_loss=data.get("train_loss"),
        valid_loss=data.get("full_valid_loss", data.get("valid_loss")),
    )


def _moment(seconds: int | None) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds else None
