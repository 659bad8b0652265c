"""Amazon Bedrock: trains on files in the data bucket under a role of the stage, and serves by deployments.

A run's job, its model and the request that makes them share one name, so a create that is sent again makes no second
job. The account's own credentials are the key: there is none to store.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from time import monotonic
from typing import IO, Any, NamedTuple

from tuneloop.domain.core.errors import ProviderRefused, ProviderUnavailable
from tuneloop.domain.serving.models import VersionStatus
from tuneloop.domain.training.jobs import (
    FileImport,
    ImportState,
    JobOrigin,
    ProviderJob,
    RunCheckpoint,
    RunEvent,
    TrainingFile,
)
from tuneloop.domain.training.model_offers import Capabilities
from tuneloop.openai_wire.chat import ChatChunk, ChatCompletion
from tuneloop.providers.bedrock.base_models import (
    capabilities_on_bedrock,
    hyperparameters_for,
    lines_of,
    serving_id,
    training_id,
)
from tuneloop.providers.bedrock.chat import allows_parallel_calls, chunks_of, completion_of, converse_request
from tuneloop.providers.bedrock.client import CALL_S, BedrockClient, retry_quotas, translate_errors
from tuneloop.providers.bedrock.files import Files
from tuneloop.providers.bedrock.hosting import Deployments
from tuneloop.providers.bedrock.jobs import (
    END_STATUSES,
    LATEST_STEPS,
    TRAINING_CSV,
    VALIDATION_CSVS,
    events_in,
    job_in,
    job_name,
    origin_in,
    output_folder,
    tags_of,
)
from tuneloop.providers.port import JOB_NOT_FOUND, LISTING_S, Hosting, ListedModel, ProviderJobRequest

SUMMARIES = "modelCustomizationJobSummaries"
DEPLOYED, BASE = "custom-model-deployment", "foundation-model"  # what an ARN says of a model after its account
ON_DEMAND = "ON_DEMAND"  # what else is listed is called by a profile or by throughput that somebody has bought
LATEST = datetime.max.replace(tzinfo=UTC)


class StageResources(NamedTuple):
    """What of a stage Bedrock needs to know: its name, its data bucket, and the role that its jobs work under."""

    stage: str
    bucket: str | None
    role_arn: str | None


class Bedrock:
    """Amazon Bedrock in the stage's own account and region."""

    def __init__(
        self, name: str, place: StageResources, connect_s3: Callable[[], Any], calls: BedrockClient | None = None
    ) -> None:
        self.name = name
        self._place = place
        self._calls = calls or BedrockClient()
        self._files = Files(place.bucket, connect_s3)
        self.hosting: Hosting | None = Deployments(self._calls)
        self._region: str | None = None

    @property
    def region(self) -> str | None:
        """The region that is asked: that of the function, and so of the data bucket."""
        self._region = self._region or self._calls.region
        return self._region

    def capabilities(self, base_model: str) -> Capabilities:
        """What the catalog says of the base model, in this region."""
        return capabilities_on_bedrock(base_model)

    def prepare(self) -> None:
        """Make the client that the first call would make."""
        self._calls.client("bedrock")

    def close(self) -> None:
        """Let go of the connections."""
        self._calls.close()

    def models(self, timeout_s: float = LISTING_S) -> Iterator[ListedModel]:
        """The base models that can be fine-tuned, with the day on which their life ends where AWS names one."""
        with translate_errors():
            client = self._calls.client("bedrock", timeout_s)
            found = client.list_foundation_models(byCustomizationType="FINE_TUNING")
        for model in found["modelSummaries"]:
            ends = model.get("modelLifecycle", {}).get("endOfLifeTime")
            for name in dict.fromkeys((model["modelId"], serving_id(model["modelId"]))):
                yield ListedModel(id=name, shutdown_date=ends.date() if ends else None)

    def has_model(self, model: str, timeout_s: float) -> bool | None:
        """Whether a base model is listed in the region, or a custom model's deployment can answer.

        None for all else that Converse takes (profiles, imported models, provisioned throughput): the stage's roles may
        not look those up. ProviderUnavailable while a deployment is being made.
        """
        kind, _, named = model.split(":", 5)[-1].partition("/") if model.startswith("arn:") else ("", "", model)
        if kind == DEPLOYED:
            return self._is_deployed(model)
        if kind not in ("", BASE):
            return None
        with translate_errors():
            found = self._calls.client("bedrock", timeout_s).list_foundation_models()
        by_the_token = {
            name: ON_DEMAND in base.get("inferenceTypesSupported", [])
            for base in found["modelSummaries"]
            for name in (base["modelId"], serving_id(base["modelId"]))
        }
        if named in by_the_token:
            return True if by_the_token[named] else None
        return None if named.partition(".")[2] in by_the_token else False  # `us.amazon.nova-…` is a profile

    def find_file(self, file: TrainingFile) -> str | None:
        """The file's URI in the data bucket."""
        return self._files.find(file)

    def upload(self, file: TrainingFile, base_model: str, content: IO[bytes]) -> str:
        """Put the converted lines where the job's role may read them; ProviderRefused where some can't be converted."""
        form = lines_of(base_model)
        self._check(base_model)
        if form is None:  # which no base has that can be trained
            raise ProviderRefused(f"The format of {base_model}'s lines is not known.", code="not_supported")
        return self._files.put(file, form, content)

    def file_import(self, file: str, timeout_s: float) -> FileImport:  # noqa: ARG002 - the port's
        """Ready: Bedrock's jobs read the bucket themselves."""
        return FileImport(ImportState.READY)

    def delete_files(self, files: Collection[TrainingFile]) -> int:
        """Delete every version of these files from the data bucket."""
        return self._files.delete(files)

    def find_jobs(self, run: str, training_file: str | None = None) -> list[ProviderJob]:  # noqa: ARG002 - the port's
        """The run's jobs, by the name that only they have."""
        rows = self._calls.rows("list_model_customization_jobs", SUMMARIES, nameContains=self._named(run))
        mine = [job for row in rows if (job := job_in(row, self._place.stage)).run == run]
        return sorted(mine, key=lambda job: job.created_at or LATEST)

    def create_job(self, request: ProviderJobRequest) -> ProviderJob:
        """Create a fine-tuning job; sent again it gives the same one."""
        self._check(request.base_model, request)
        if self._place.role_arn is None:
            raise RuntimeError("TUNELOOP_BEDROCK_ROLE_ARN is not set: this function's row doesn't let it create jobs")
        origin, name = request.origin, self._named(request.origin.run)
        output = self._files.uri(f"training-output/{origin.tenant}/{origin.run}/")
        validators = [{"s3Uri": request.validation_file}] if request.validation_file else []
        with retry_quotas(), translate_errors():
            made = self._calls.client("bedrock").create_model_customization_job(
                jobName=name,
                customModelName=name,
                clientRequestToken=name,
                roleArn=self._place.role_arn,
                baseModelIdentifier=training_id(request.base_model),
                customizationType="FINE_TUNING",
                trainingDataConfig={"s3Uri": request.training_file},
                outputDataConfig={"s3Uri": output},
                hyperParameters=hyperparameters_for(request.base_model, request.hyperparameters),
                jobTags=tags_of(origin),
                **({"validationDataConfig": {"validators": validators}} if validators else {}),
            )
        return ProviderJob(
            id=made["jobArn"],
            status="validating_files",
            run=origin.run,
            origin=origin,
            base_model=request.base_model,
            training_file=request.training_file,
        )

    def get_job(self, job_id: str, timeout_s: float) -> ProviderJob:
        """A job as it is now."""
        return job_in(self._described(job_id, timeout_s), self._place.stage)

    def cancel_job(self, job_id: str, timeout_s: float) -> None:
        """Ask for a job to be stopped; the refusal of one that has ended is no trouble."""
        with suppress(ProviderRefused):
            try:
                with translate_errors():
                    self._calls.client("bedrock", timeout_s).stop_model_customization_job(jobIdentifier=job_id)
            except ProviderUnavailable:
                if self.get_job(job_id, timeout_s).status not in END_STATUSES.values():
                    raise

    def jobs(self) -> Iterator[ProviderJob]:
        """The account's jobs, newest first."""
        order: dict[str, Any] = {"sortBy": "CreationTime", "sortOrder": "Descending"}
        for row in self._calls.rows("list_model_customization_jobs", SUMMARIES, **order):
            yield job_in(row, self._place.stage)

    def origin_of(self, job: ProviderJob) -> JobOrigin | None:
        """Where a job comes from by its tags; asked only for one whose name is ours."""
        if job.origin or job.run is None:
            return job.origin
        with translate_errors():
            found = self._calls.client("bedrock").list_tags_for_resource(resourceARN=job.id)
        return origin_in(found.get("tags", []))

    def events(self, job_id: str, timeout_s: float, *, whole: bool = False) -> list[RunEvent]:
        """The latest hundred steps, or all, from the figures that a job leaves in the bucket; none before its end."""
        job = self._described(job_id, timeout_s)
        if job["status"] not in END_STATUSES:
            return []
        folder = output_folder(job)
        training = self._files.text(f"{folder}{TRAINING_CSV}")
        validations = (self._files.text(f"{folder}{place}") for place in VALIDATION_CSVS)
        return events_in(job, training, next(filter(None, validations), ""), None if whole else LATEST_STEPS)

    def checkpoints(self, job_id: str, timeout_s: float) -> list[RunCheckpoint]:  # noqa: ARG002 - the port's
        """None: Bedrock keeps the model of the last epoch alone."""
        return []

    def complete(self, request: dict[str, Any], timeout_s: float) -> ChatCompletion:
        """Answer a chat request by Converse."""
        asked = converse_request(request)
        client = self._calls.client("bedrock-runtime", timeout_s)
        with translate_errors():
            answer = client.converse(**asked)
            return completion_of(answer, request["model"], parallel_calls=allows_parallel_calls(request))

    def stream(self, request: dict[str, Any], timeout_s: float) -> Iterator[ChatChunk]:
        """Answer piece by piece by ConverseStream."""
        ends = monotonic() + timeout_s
        asked = converse_request(request)
        client = self._calls.client("bedrock-runtime", timeout_s)
        with translate_errors():
            answer = client.converse_stream(**asked)
            for chunk in chunks_of(answer, request["model"], parallel_calls=allows_parallel_calls(request)):
                yield chunk
                if monotonic() > ends:
                    raise ProviderUnavailable("The answer took longer than it may.")

    def _is_deployed(self, deployment: str) -> bool:
        try:
            found = Deployments(self._calls).find_deployment(deployment)
        except ProviderRefused:  # an ARN that is none
            return False
        if found and found.status == VersionStatus.DEPLOYING:
            raise ProviderUnavailable("Its deployment is being made. Try again later.")
        return found is not None and found.status == VersionStatus.READY

    def _check(self, base_model: str, request: ProviderJobRequest | None = None) -> None:
        """Refuse what can't be trained before anything is put anywhere; who asks has mostly looked before."""
        can = self.capabilities(base_model)
        method = request.method if request else can.methods[0]
        chosen = request.hyperparameters if request else {}
        if refusal := can.refusal(method, chosen, self.region):
            raise ProviderRefused(refusal.message, param=refusal.param, code=refusal.code)

    def _described(self, job_id: str, timeout_s: float = CALL_S) -> dict[str, Any]:
        with translate_errors(not_found=JOB_NOT_FOUND):
            client = self._calls.client("bedrock", timeout_s)
            found: dict[str, Any] = client.get_model_customization_job(jobIdentifier=job_id)
        return found

    def _named(self, run: str) -> str:
        return job_name(self._place.stage, run)
