"""Bedrock's rows beside the trainer's own: customization jobs, each with the request that made it, and deployments.

A customization job is one of the trainer's jobs (`engine_job_id`), which holds its status; a custom model is what such
a job left, for as long as the trainer has it. Times are in seconds since 1970.
"""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from trainer.storage.rows import RowStore

BEDROCK = "bedrock"
_JOB, _DEPLOYMENT = "bedrock_job", "bedrock_deployment"


class Customization(BaseModel):
    """One customization job: the request as it came, and the names that were made for it."""

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
        """Where the job's validation data is, in S3."""
        validators = self.request.get("validationDataConfig", {}).get("validators", ())
        return [validator["s3Uri"] for validator in validators]


class DeploymentRow(BaseModel):
    """One deployment: which model it serves, and until a change has settled, which one it served before."""

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
        """Keep a new customization job."""
        self._rows.add(_JOB, customization.id, customization.model_dump_json())

    def change_customization(self, customization: Customization) -> None:
        """Replace a customization job."""
        self._rows.change(_JOB, customization.id, customization.model_dump_json())

    def customizations(self) -> Iterator[Customization]:
        """Return the customization jobs, newest first."""
        return (Customization.model_validate_json(body) for body in self._rows.newest_first(_JOB))

    def customization_of(self, engine_job_id: str) -> Customization:
        """Return the customization that one of the trainer's jobs works on; LookupError for a job of the other wire."""
        body = self._rows.get(_JOB, engine_job_id.removeprefix(f"{BEDROCK}-"))
        if body is None:
            raise LookupError(f"{engine_job_id} is no customization job")
        return Customization.model_validate_json(body)

    def add_deployment(self, deployment: DeploymentRow) -> None:
        """Keep a new deployment."""
        self._rows.add(_DEPLOYMENT, deployment.id, deployment.model_dump_json())

    def change_deployment(self, deployment: DeploymentRow) -> None:
        """Replace a deployment."""
        self._rows.change(_DEPLOYMENT, deployment.id, deployment.model_dump_json())

    def remove_deployment(self, deployment: DeploymentRow) -> None:
        """Forget a deployment."""
        self._rows.remove(_DEPLOYMENT, deployment.id)

    def deployments(self) -> Iterator[DeploymentRow]:
        """Return the deployments, newest first."""
        return (DeploymentRow.model_validate_json(body) for body in self._rows.newest_first(_DEPLOYMENT))
