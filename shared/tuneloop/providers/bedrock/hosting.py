"""Custom model deployments on Bedrock, which serve trained models billed by the token.

A deployment is found by its name as well as by its ARN, so a second request under one name finds the first one's.
"""

from typing import Any

from tuneloop.domain.serving.models import VersionStatus
from tuneloop.providers.bedrock.client import BedrockClient, gone_is_fine, translate_errors
from tuneloop.providers.port import ProviderDeployment

CALL_S = 8.0  # seconds for one call: several follow one another while somebody waits
STATUSES = {
    "Creating": VersionStatus.DEPLOYING,
    "Active": VersionStatus.READY,
    "Failed": VersionStatus.DEPLOY_FAILED,
    "Updating": VersionStatus.DEPLOYING,
    "UpdateCompleted": VersionStatus.READY,
    "UpdateFailed": VersionStatus.DEPLOY_FAILED,
}


class Deployments:
    """The custom model deployments of an account."""

    def __init__(self, calls: BedrockClient) -> None:
        self._calls = calls

    def deploy(self, name: str, model: str) -> ProviderDeployment:
        """Create a deployment of a model; its name is also the idempotency token of the request."""
        if existing := self.find_deployment(name):
            return existing
        with translate_errors():
            created = self._client.create_custom_model_deployment(
                modelDeploymentName=name, modelArn=model, clientRequestToken=name
            )
        return ProviderDeployment(id=created["customModelDeploymentArn"], status=VersionStatus.DEPLOYING, model=model)

    def find_deployment(self, deployment: str) -> ProviderDeployment | None:
        """The deployment as it is now, None if there is none; during a swap it has the new model's status and ARN."""
        fields: dict[str, Any] | None = None
        with gone_is_fine():
            fields = self._client.get_custom_model_deployment(customModelDeploymentIdentifier=deployment)
        if fields is None:
            return None
        change = fields.get("updateDetails") or {}
        status = STATUSES.get(fields["status"], VersionStatus.DEPLOYING)
        if status == VersionStatus.READY and change:
            # A deployment that is being updated stays active and serves the model before.
            status = STATUSES.get(change["updateStatus"], VersionStatus.DEPLOYING)
        model = change.get("modelArn") or fields["modelArn"]
        return ProviderDeployment(id=fields["customModelDeploymentArn"], status=status, model=model)

    def swap(self, deployment: str, model: str) -> ProviderDeployment:
        """Put another model behind a deployment."""
        with translate_errors():
            self._client.update_custom_model_deployment(customModelDeploymentIdentifier=deployment, modelArn=model)
        return ProviderDeployment(id=deployment, status=VersionStatus.DEPLOYING, model=model)

    def undeploy(self, deployment: str) -> None:
        """Delete a deployment; one that is gone already is no error."""
        with gone_is_fine():
            self._client.delete_custom_model_deployment(customModelDeploymentIdentifier=deployment)

    def delete_model(self, model: str) -> None:
        """Delete a custom model; ProviderUnavailable while a deployment still serves it."""
        with gone_is_fine():
            self._client.delete_custom_model(modelIdentifier=model)

    @property
    def _client(self) -> Any:
        return self._calls.client("bedrock", CALL_S)
