"""The port to whoever trains and serves: one Protocol, and what each provider declares it can do.

What comes out of it is in our words; only a job's `status` stays the provider's own, shown where we don't know it.
Calls raise ProviderUnavailable (try again; a wrong or missing key and an answer that makes no sense count as such) or
ProviderRefused (don't); a create is sent exactly once. A `timeout_s` is for the whole call, however it drags on.
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
    """A training job to create, from files that were uploaded; `origin` is kept by the provider beside the job."""

    origin: JobOrigin
    base_model: str
    training_file: str
    validation_file: str | None = None
    method: TrainingMethod = TrainingMethod.SUPERVISED
    hyperparameters: dict[str, Any] = {}
    seed: int = 0


class ListedModel(BaseModel):
    """A model that a provider offers, and the day from which on it no longer does, where that is announced."""

    id: str
    shutdown_date: date | None = None


class ProviderDeployment(BaseModel):
    """A model's deployment at a provider: what calls name it by, and whether it can answer yet."""

    id: str
    status: VersionStatus
    model: str | None = None


class Hosting(Protocol):
    """What a provider does that has to be asked to serve a model before it can be called."""

    def deploy(self, name: str, model: str) -> ProviderDeployment:
        """Begin to serve a model; asking again under the same name gives the same deployment."""
        ...

    def find_deployment(self, deployment: str) -> ProviderDeployment | None:
        """A deployment as it is now, None where there is none."""
        ...

    def swap(self, deployment: str, model: str) -> ProviderDeployment:
        """Put another model behind a deployment, whose id stays."""
        ...

    def undeploy(self, deployment: str) -> None:
        """End a deployment; one that is gone already is as good as ended."""
        ...

    def delete_model(self, model: str) -> None:
        """Delete a trained model, and with it what storing it costs."""
        ...


class Provider(Protocol):
    """A place that trains and serves models; `hosting` is None where a trained model can be called at once.

    `region` is where it trains, None where that is nobody's business.
    """

    name: str
    hosting: Hosting | None

    @property
    def region(self) -> str | None:
        """Where it trains."""
        ...

    def capabilities(self, base_model: str) -> Capabilities:
        """What can be done with a base model; asks nobody."""
        ...

    def prepare(self) -> None:
        """Load what the first call would, so that it takes none of a call's time; gives no answer and asks for none."""
        ...

    def close(self) -> None:
        """Let go of the connections."""
        ...

    def models(self, timeout_s: float = LISTING_S) -> Iterator[ListedModel]:
        """What can be trained on or called."""
        ...

    def has_model(self, model: str, timeout_s: float) -> bool | None:
        """Whether calls can name this model; None where there is no way to tell. Never asks by a chat."""
        ...

    def find_file(self, file: TrainingFile) -> str | None:
        """The provider's id of a file, if it was uploaded before."""
        ...

    def upload(self, file: TrainingFile, base_model: str, content: IO[bytes]) -> str:
        """Upload lines in OpenAI's format, converted to what the base model takes; gives the provider's id of it."""
        ...

    def file_import(self, file: str, timeout_s: float) -> FileImport:
        """How far the import of an uploaded file is, by the provider's id of it."""
        ...

    def delete_files(self, files: Collection[TrainingFile]) -> int:
        """Delete these files wherever they are there; tells how many were."""
        ...

    def find_jobs(self, run: str, training_file: str | None = None) -> list[ProviderJob]:
        """The jobs of a run, oldest first: those that carry its id, or that train on its file."""
        ...

    def create_job(self, request: ProviderJobRequest) -> ProviderJob:
        """Create a job, sending the request once and never again."""
        ...

    def get_job(self, job_id: str, timeout_s: float) -> ProviderJob:
        """A job as it is now; ProviderRefused with the code JOB_NOT_FOUND where there is none."""
        ...

    def cancel_job(self, job_id: str, timeout_s: float) -> None:
        """Ask for a job to be stopped; one that has ended stays as it ended."""
        ...

    def jobs(self) -> Iterator[ProviderJob]:
        """The account's jobs, newest first, a list page at a time; jobs that can't be read are left out."""
        ...

    def origin_of(self, job: ProviderJob) -> JobOrigin | None:
        """Where a job comes from, None where it isn't ours; may ask the provider."""
        ...

    def events(self, job_id: str, timeout_s: float, *, whole: bool = False) -> list[RunEvent]:
        """A job's latest events, oldest first; `whole` asks for all of them, which takes a call for each hundred."""
        ...

    def checkpoints(self, job_id: str, timeout_s: float) -> list[RunCheckpoint]:
        """The models that were kept from the ends of a job's epochs, newest first; none where it keeps none."""
        ...

    def complete(self, request: dict[str, Any], timeout_s: float) -> ChatCompletion:
        """Answer a chat request in OpenAI's shape."""
        ...

    def stream(self, request: dict[str, Any], timeout_s: float) -> Iterator[ChatChunk]:
        """Answer a chat request piece by piece as the answer is written, its usage last."""
        ...
