"""The port to whoever trains and serves: one Protocol, and what each provider declares it can do.

What comes out of it is in our words; only a job's `status` stays the provider's own, shown where we don't know it.
Calls raise ProviderUnavailable (try again; a wrong or missing key and an answer that makes no sense count as such) or
ProviderRefused (don't); a create is sent exactly once. A `timeout_s` is for the whole call, however it drags on.
"""

from collections.abc import Collection, Iterator
from typing import IO, Any, Protocol

from pydantic import BaseModel

from tuneloop.domain.training import ProviderJob, RunEvent
from tuneloop.wire.chat import ChatCompletion

JOB_NOT_FOUND = "job_not_found"
"""The code of the refusal with which `get_job` says that the provider knows no such job."""


class Capabilities(BaseModel):
    """What a provider asks for."""

    fewest_examples: int = 10


class JobRequest(BaseModel):
    """A training job to create; `run` is our run's id, kept by the provider so that the job can be found again."""

    run: str
    model: str
    base_model: str
    training_file: str
    validation_file: str | None = None
    hyperparameters: dict[str, Any] = {}


class Provider(Protocol):
    """A place that trains and serves models."""

    name: str
    capabilities: Capabilities

    def prepare(self) -> None:
        """Load what the first call would, so that it takes none of a call's time; gives no answer and asks for none."""
        ...

    def find_file(self, name: str) -> str | None:
        """The provider's id of a file of that name, if it was uploaded before."""
        ...

    def upload(self, name: str, content: IO[bytes]) -> str:
        """Upload a JSONL file; gives the provider's id of it."""
        ...

    def delete_files(self, names: Collection[str]) -> int:
        """Delete every file that has one of these names; tells how many there were."""
        ...

    def find_job(self, run: str) -> ProviderJob | None:
        """The oldest job that carries the run's id, if there is one."""
        ...

    def create_job(self, request: JobRequest) -> ProviderJob:
        """Create a job, sending the request once and never again."""
        ...

    def get_job(self, job_id: str, timeout_s: float) -> ProviderJob:
        """A job as it is now; ProviderRefused with the code JOB_NOT_FOUND where there is none."""
        ...

    def jobs(self) -> Iterator[ProviderJob]:
        """The account's jobs, newest first, a list page at a time; jobs that can't be read are left out."""
        ...

    def events(self, job_id: str, timeout_s: float) -> list[RunEvent]:
        """A job's latest events, oldest first."""
        ...

    def complete(self, request: dict[str, Any], timeout_s: float) -> ChatCompletion:
        """Answer a chat request in OpenAI's shape."""
        ...
