"""Any provider that speaks OpenAI's wire: OpenAI, Azure, self-hosted servers, our trainer."""

from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import IO, Any
from urllib.parse import quote

from pydantic import ValidationError

from tuneloop.domain.capabilities import Capabilities
from tuneloop.domain.errors import ProviderRefused
from tuneloop.domain.jobs import JobOrigin, ProviderJob, RunEvent, TrainingFile
from tuneloop.domain.providers import RegisteredProvider
from tuneloop.observability import log_failure
from tuneloop.providers.base import JOB_NOT_FOUND, Hosting, JobRequest, ListedModel
from tuneloop.providers.calls import PAGE, SUBMIT_S, Calls, id_in, rows_of, sensible
from tuneloop.providers.catalog import capabilities_of
from tuneloop.providers.reports import RUN_KEY, event_in, job_in, listed_model_in, metadata_of, object_in
from tuneloop.wire.chat import ChatChunk, ChatCompletion

JOBS = "/fine_tuning/jobs"
ALL_PAGES = 1000  # where a file that isn't found would be thought to be gone
LATEST = datetime.max.replace(tzinfo=UTC)


class OpenAICompatible:
    """A provider on OpenAI's wire."""

    hosting: Hosting | None = None

    def __init__(self, registered: RegisteredProvider, read_key: Callable[[], str | None]) -> None:
        self.name = registered.name
        self._registered = registered
        self._calls = Calls(registered.base_url, read_key)

    def capabilities(self, base_model: str) -> Capabilities:
        """What the catalog says of the base model."""
        return capabilities_of(self.name, base_model)

    def prepare(self) -> None:
        """Import the SDK and read the key, if that was not done yet."""
        self._calls.prepare()

    def close(self) -> None:
        """Let go of the connections."""
        self._calls.close()

    def models(self) -> Iterator[ListedModel]:
        """The account's models; those that can't be read are left out."""
        for fields in rows_of(self._calls.get("/models", SUBMIT_S)):
            with suppress(ValidationError):
                yield listed_model_in(fields)

    def find_file(self, file: TrainingFile) -> str | None:
        """The newest file of that name among the account's fine-tuning files."""
        files = self._calls.listed("/files", purpose="fine-tune", order="desc")
        return next((id_in(found) for found in files if found.get("filename") == file.name), None)

    def upload(self, file: TrainingFile, base_model: str, content: IO[bytes]) -> str:  # noqa: ARG002 - the port's
        """Upload a file for fine-tuning as it is; it may take as long as it goes on."""
        uploaded = self._calls.upload(file.name, content)
        with sensible():
            return id_in(object_in(uploaded))

    def delete_files(self, files: Collection[TrainingFile]) -> int:
        """Delete the fine-tuning files of these names; one that is gone already is as good as deleted."""
        names = {file.name for file in files}
        listed = self._calls.listed("/files", pages=ALL_PAGES, purpose="fine-tune")
        found = [id_in(file) for file in listed if file.get("filename") in names]
        for one in found:
            self._calls.delete(f"/files/{quote(one, safe='')}")
        return len(found)

    def find_jobs(self, run: str, training_file: str | None = None) -> list[ProviderJob]:
        """The run's jobs by its id in their metadata, which is checked here too, as some servers ignore the filter.

        A server that keeps no metadata tells them by their training file, which no other run has.
        """
        mine = [job for job in self._jobs(metadata={RUN_KEY: run}) if job.run == run]
        if not mine and training_file:
            mine = [job for job in self._jobs() if job.training_file == training_file]
        return sorted(mine, key=lambda job: job.created_at or LATEST)

    def create_job(self, request: JobRequest) -> ProviderJob:
        """Create a supervised fine-tuning job, once."""
        body: dict[str, Any] = {
            "model": request.base_model,
            "training_file": request.training_file,
            "suffix": request.origin.model[:64],
            "seed": request.seed,
            "method": {"type": "supervised", "supervised": {"hyperparameters": request.hyperparameters}},
            "metadata": metadata_of(request.origin),
        }
        if request.validation_file:
            body["validation_file"] = request.validation_file
        created = self._calls.post(JOBS, body, SUBMIT_S)
        with sensible():
            return job_in(object_in(self._calls.without_key(created)))

    def get_job(self, job_id: str, timeout_s: float) -> ProviderJob:
        """A job as it is now."""
        found = self._calls.get(_job(job_id), timeout_s, not_found=JOB_NOT_FOUND)
        with sensible():
            return job_in(found)

    def cancel_job(self, job_id: str, timeout_s: float) -> None:
        """Ask for a job to be cancelled; the refusal of one that has ended is no trouble."""
        with suppress(ProviderRefused):
            self._calls.post(f"{_job(job_id)}/cancel", {}, timeout_s)

    def jobs(self) -> Iterator[ProviderJob]:
        """The account's jobs, newest first."""
        yield from self._jobs()

    def origin_of(self, job: ProviderJob) -> JobOrigin | None:
        """Where a job comes from by its metadata."""
        return job.origin

    def events(self, job_id: str, timeout_s: float) -> list[RunEvent]:
        """The latest hundred events, oldest first."""
        page = self._calls.get(f"{_job(job_id)}/events", timeout_s, limit=PAGE)
        return [event_in(event) for event in reversed(rows_of(page))]

    def complete(self, request: dict[str, Any], timeout_s: float) -> ChatCompletion:
        """Answer a chat request; fields that the SDK doesn't know travel too."""
        body = self._calls.post("/chat/completions", request, timeout_s)
        with sensible():
            answer = ChatCompletion.model_validate_json(body)
            if not answer.choices:
                raise ValueError("an answer without choices")
        return answer

    def stream(self, request: dict[str, Any], timeout_s: float) -> Iterator[ChatChunk]:
        """Answer piece by piece, the usage last."""
        asked = {**request, "stream": True, "stream_options": {"include_usage": True}}
        for event in self._calls.events("/chat/completions", asked, timeout_s):
            with sensible():
                chunk = ChatChunk.model_validate(event)
            yield chunk

    def _jobs(self, **query: Any) -> Iterator[ProviderJob]:
        for fields in self._calls.listed(JOBS, **query):
            try:
                yield job_in(fields)
            except ValidationError as error:  # one strange job, perhaps not even ours, must not hide the others
                log_failure(error)


def _job(job_id: str) -> str:
    return f"{JOBS}/{quote(job_id, safe='')}"
