"""The provider port: the Protocol that every adapter of a training and serving provider implements.

Results are in Tuneloop's types; only a job's `status` may stay the provider's own word, if Tuneloop has none for it.
Calls raise ProviderUnavailable, after which the caller may try again (a wrong or missing key and a malformed answer
count as such), or ProviderRefused, after which trying again is no use. A create is sent exactly once. A `timeout_s` is
in seconds and limits the whole call, however slowly the answer comes.
"""

from collections.abc import Collection, Iterator
from datetime import date
from typing import IO, Any, Protocol

from pydantic import BaseModel

from tuneloop.domain.serving.models import VersionStatus
from tuneloop.domain.training.jobs import (
    FileImport,
    JobOrigin,
    ProviderJob,
    RunCheckpoint,
    RunEvent,
    TrainingFile,
    TrainingMethod,
)
from tuneloop.domain.training.model_offers import Capabilities
from tuneloop.openai_wire.chat import ChatChunk, ChatCompletion

JOB_NOT_FOUND = "job_not_found"
"""The code of the refusal with which `get_job` says that the provider knows no such job."""

KEY_MISSING = "provider_key_missing"
KEY_REFUSED = "provider_key_refused"
KEY_ERRORS = frozenset({KEY_MISSING, KEY_REFUSED})
"""The codes of a provider that can't be asked before somebody has given the stage a key that it takes."""

LISTING_S = 20.0
"""Seconds for a list of models where nobody waits for it: a host's list of hundreds takes well below ten."""

QUOTA_REACHED = "quota_reached"
"""The code of the refusal with which `deploy` says that the account may have no more deployments."""


FILE_NOT_READY = "file_not_ready"
"""The code of the refusal with which `create_job` says that the provider is still importing a file."""


class ProviderJobRequest(BaseModel):
    """A training job to create from uploaded files; the provider keeps `origin` beside the job."""

    origin: JobOrigin
    base_model: str
    training_file: str
    validation_file: str | None = None
    method: TrainingMethod = TrainingMethod.SUPERVISED
    hyperparameters: dict[str, Any] = {}
    seed: int = 0


class ListedModel(BaseModel):
    """A model that a provider offers, and the announced day from which it no longer does."""

    id: str
    shutdown_date: date | None = None


class ProviderDeployment(BaseModel):
    """A model's deployment at a provider: the id that calls name, its status, and the model behind it."""

    id: str
    status: VersionStatus
    model: str | None = None


class Hosting(Protocol):
    """The part of a provider's port that serves trained models, where they can't be called without a deployment."""

    def deploy(self, name: str, model: str) -> ProviderDeployment:
        """Create a deployment of a model; a second call with the same name returns the first one's deployment."""
        ...

    def find_deployment(self, deployment: str) -> ProviderDeployment | None:
        """The deployment as it is now, by id or name; None if there is none."""
        ...

    def swap(self, deployment: str, model: str) -> ProviderDeployment:
        """Put another model behind a deployment, whose id stays."""
        ...

    def undeploy(self, deployment: str) -> None:
        """Delete a deployment; one that is gone already is no error."""
        ...

    def delete_model(self, model: str) -> None:
        """Delete a trained model, which ends the cost of storing it."""
        ...


class Provider(Protocol):
    """A provider of training and serving; `hosting` is None if a trained model can be called without a deployment."""

    name: str
    hosting: Hosting | None

    @property
    def region(self) -> str | None:
        """The AWS region in which the provider trains; None if it has no regions."""
        ...

    def capabilities(self, base_model: str) -> Capabilities:
        """The capabilities of a base model, without any call to the provider."""
        ...

    def prepare(self) -> None:
        """Import the libraries and read the key ahead of the first call, whose time limit they would use up."""
        ...

    def close(self) -> None:
        """Close the connections."""
        ...

    def models(self, timeout_s: float = LISTING_S) -> Iterator[ListedModel]:
        """The models that can be trained or called."""
        ...

    def has_model(self, model: str, timeout_s: float) -> bool | None:
        """Whether calls can name this model; None if there is no way to tell. Never sends a chat to find out."""
        ...

    def find_file(self, file: TrainingFile) -> str | None:
        """The provider's id of a file that was uploaded before; None if it wasn't."""
        ...

    def upload(self, file: TrainingFile, base_model: str, content: IO[bytes]) -> str:
        """Upload a file of lines in OpenAI's format, converted for the base model; return the provider's id of it."""
        ...

    def file_import(self, file: str, timeout_s: float) -> FileImport:
        """How far the import of an uploaded file is; `file` is the provider's id."""
        ...

    def delete_files(self, files: Collection[TrainingFile]) -> int:
        """Delete these files, and return how many of them there were."""
        ...

    def find_jobs(self, run: str, training_file: str | None = None) -> list[ProviderJob]:
        """The jobs of a run, oldest first: those that carry the run's id, or that train on its file."""
        ...

    def create_job(self, request: ProviderJobRequest) -> ProviderJob:
        """Create a job; the request is sent once and never repeated."""
        ...

    def get_job(self, job_id: str, timeout_s: float) -> ProviderJob:
        """The job as it is now; ProviderRefused with the code JOB_NOT_FOUND if there is none."""
        ...

    def cancel_job(self, job_id: str, timeout_s: float) -> None:
        """Ask for a job to be stopped; a job that has ended stays as it is."""
        ...

    def jobs(self) -> Iterator[ProviderJob]:
        """The account's jobs, newest first, fetched page by page; jobs that can't be read are left out."""
        ...

    def origin_of(self, job: ProviderJob) -> JobOrigin | None:
        """The origin of a job; None if Tuneloop didn't create it. May call the provider."""
        ...

    def events(self, job_id: str, timeout_s: float, *, whole: bool = False) -> list[RunEvent]:
        """A job's latest events, oldest first; `whole` asks for all events, which takes a call for each hundred."""
        ...

    def checkpoints(self, job_id: str, timeout_s: float) -> list[RunCheckpoint]:
        """The checkpoints that a job kept at the ends of its epochs, newest first."""
        ...

    def complete(self, request: dict[str, Any], timeout_s: float) -> ChatCompletion:
        """Answer a chat request in OpenAI's shape."""
        ...

    def stream(self, request: dict[str, Any], timeout_s: float) -> Iterator[ChatChunk]:
        """Stream the answer to a chat request as chunks, the usage last."""
        ...
