"""Deployments on Bedrock: how a trained model begins to answer, billed by the token, and how that is ended.

A deployment is found by its name as well as by its ARN, so asking twice under one name finds the first one.
"""

from typing import Any

from tuneloop.domain.serving.models import VersionStatus
from tuneloop.providers.bedrock.client import BedrockClient, gone_is_fine, translate_errors
from tuneloop.providers.port import ProviderDeployment

CALL_S = 8.0  # several of these calls follow one another while somebody waits
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
        """Begin to serve a model; the name is the request's token too."""
        if found := self.find_deployment(name):
            return found
        with translate_errors():
            created = self._client.create_custom_model_deployment(
                modelDeploymentName=name, modelArn=model, clientRequestToken=name
            )
        return ProviderDeployment(id=created["customModelDeploymentArn"], status=VersionStatus.DEPLOYING, model=model)

    def find_deployment(self, deployment: str) -> ProviderDeployment | None:
        """A deployment as it is now; while another model is put behind it, it still serves the one before."""
        found: dict[str, Any] | None = None
        with gone_is_fine():
            found = self._client.get_custom_model_deployment(customModelDeploymentIdentifier=deployment)
        if found is None:
            return None
        change = found.get("updateDetails") or {}
        said = STATUSES.get(found["status"], VersionStatus.DEPLOYING)
        if said == VersionStatus.READY and change:
            said = STATUSES.get(change["updateStatus"], VersionStatus.DEPLOYING)
        model = change.get("modelArn") or found["modelArn"]
        return ProviderDeployment(id=found["customModelDeploymentArn"], status=said, model=model)

    def swap(self, deployment: str, model: str) -> ProviderDeployment:
        """Put another model behind a deployment."""
        with translate_errors():
            self._client.update_custom_model_deployment(customModelDeploymentIdentifier=deployment, modelArn=model)
        return ProviderDeployment(id=deployment, status=VersionStatus.DEPLOYING, model=model)

    def undeploy(self, deployment: str) -> None:
        """End a deployment."""
        with gone_is_fine():
            self._client.delete_custom_model_deployment(customModelDeploymentIdentifier=deployment)

    def delete_model(self, model: str) -> None:
        """Delete a custom model; ProviderUnavailable while a deployment still serves it."""
        with gone_is_fine():
            self._client.delete_custom_model(modelIdentifier=model)

    @property
    def _client(self) -> Any:
        return self._calls.client("bedrock", CALL_S)
