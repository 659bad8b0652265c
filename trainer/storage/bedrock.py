"""Bedrock's rows: customization jobs, each with the request that created it, and deployments.

A customization job is run as one of the trainer's jobs (`engine_job_id`), which has its status. A custom model exists
as long as the trainer has the model of such a job. Times are in seconds since 1970.
"""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from trainer.storage.rows import RowStore

BEDROCK = "bedrock"
_JOB, _DEPLOYMENT = "bedrock_job", "bedrock_deployment"


class Customization(BaseModel):
    """A customization job: its request, and the id and ARNs that were assigned to it."""

    id: str
    arn: str
    model_arn: str
    base_id: str
    request: dict[str, Any]
    hyperparameters: dict[str, str]
    created_at: float
    stopped_at: float | None = None

    @property
    def engine_job_id(self) -> str:
        """The id of the trainer's job that does the work."""
        return f"{BEDROCK}-{self.id}"

    @property
    def validation_uris(self) -> list[str]:
        """The S3 URIs of the job's validation data."""
        validators = self.request.get("validationDataConfig", {}).get("validators", ())
        return [validator["s3Uri"] for validator in validators]


class DeploymentRow(BaseModel):
    """A deployment: the model that it serves, and the one that it served before its last update."""

    id: str
    arn: str
    model_arn: str
    model_before: str | None = None
    request: dict[str, Any]
    created_at: float
    updated_at: float | None = None


class BedrockRows:
    """The store of customization jobs and deployments."""

    def __init__(self, rows: RowStore) -> None:
        self._rows = rows

    def add_customization(self, customization: Customization) -> None:
        """Store a new customization job."""
        self._rows.add(_JOB, customization.id, customization.model_dump_json())

    def change_customization(self, customization: Customization) -> None:
        """Replace a customization job."""
        self._rows.change(_JOB, customization.id, customization.model_dump_json())

    def customizations(self) -> Iterator[Customization]:
        """Return the customization jobs, newest first."""
        return (Customization.model_validate_json(body) for body in self._rows.newest_first(_JOB))

    def customization_of(self, engine_job_id: str) -> Customization:
        """Return the customization job that one of the trainer's jobs runs; LookupError for a job of OpenAI's wire."""
        body = self._rows.get(_JOB, engine_job_id.removeprefix(f"{BEDROCK}-"))
        if body is None:
            raise LookupError(f"{engine_job_id} is no customization job")
        return Customization.model_validate_json(body)

    def add_deployment(self, deployment: DeploymentRow) -> None:
        """Store a new deployment."""
        self._rows.add(_DEPLOYMENT, deployment.id, deployment.model_dump_json())

    def change_deployment(self, deployment: DeploymentRow) -> None:
        """Replace a deployment."""
        self._rows.change(_DEPLOYMENT, deployment.id, deployment.model_dump_json())

    def remove_deployment(self, deployment: DeploymentRow) -> None:
        """Delete a deployment."""
        self._rows.remove(_DEPLOYMENT, deployment.id)

    def deployments(self) -> Iterator[DeploymentRow]:
        """Return the deployments, newest first."""
        return (DeploymentRow.model_validate_json(body) for body in self._rows.newest_first(_DEPLOYMENT))
