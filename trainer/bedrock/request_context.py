"""The context of a request on Bedrock's wire: the trainer's parts, and the region that the request is signed for.

The trainer knows nobody's secret, so it can't verify a signature: it checks that there is one (Signature Version 4),
made for the service `bedrock`. Run it only where nobody but you can reach it.
"""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass

from trainer.bedrock.arns import region_in
from trainer.bedrock.errors import DENIED, AwsRefusalError
from trainer.context import Context
from trainer.storage.bedrock import Customization, DeploymentRow
from trainer.storage.home import Home

_SIGNATURE = re.compile(
    r"AWS4-HMAC-SHA256 Credential=[^/,\s]+/\d{8}/(?P<region>[a-z0-9-]{1,20})/(?P<service>[a-z0-9-]+)"
    r"/aws4_request,\s*SignedHeaders=[^,\s]+,\s*Signature=[0-9a-f]{64}"
)


@dataclass(frozen=True, slots=True)
class RequestContext:
    """The trainer and the region of a request, which sees the jobs, models and deployments of that region only."""

    trainer: Context
    region: str

    @property
    def home(self) -> Home:
        """The trainer's stores."""
        return self.trainer.home

    @property
    def settle_s(self) -> float:
        """Seconds for which a deployment is being created or updated, and a job is being stopped."""
        return self.trainer.options.settle_s

    def customizations(self) -> Iterator[Customization]:
        """Return the region's customization jobs, newest first."""
        return (row for row in self.home.bedrock.customizations() if region_in(row.arn) == self.region)

    def deployments(self) -> Iterator[DeploymentRow]:
        """Return the region's deployments, newest first."""
        return (row for row in self.home.bedrock.deployments() if region_in(row.arn) == self.region)

    def has_settled(self, deployment: DeploymentRow) -> bool:
        """Whether the last change of a deployment is complete."""
        return time.time() >= (deployment.updated_at or deployment.created_at) + self.settle_s

    def models_of(self, deployment: DeploymentRow) -> set[str]:
        """Return the ARNs of the custom models that a deployment needs: two while one replaces the other."""
        if deployment.model_before is None or self.has_settled(deployment):
            return {deployment.model_arn}
        return {deployment.model_arn, deployment.model_before}


def signed_region(authorizations: list[str]) -> str:
    """Return the region in the one Authorization header of a request; AccessDeniedException without a signature."""
    signature = _SIGNATURE.fullmatch(authorizations[0].strip()) if len(authorizations) == 1 else None
    if not signature:
        raise AwsRefusalError(DENIED, "The request is not signed with Signature Version 4.")
    if signature["service"] != "bedrock":
        raise AwsRefusalError(DENIED, "The request is signed for another service than bedrock.")
    return signature["region"]
