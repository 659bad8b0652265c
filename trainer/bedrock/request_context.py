"""The context of a call on Bedrock's wire: the trainer's parts, and the region that the caller signed for."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from trainer.bedrock.arns import region_in
from trainer.bedrock.errors import DENIED, AwsRefusalError
from trainer.context import Context
from trainer.storage.bedrock import Customization, DeploymentRow
from trainer.storage.home import Home


@dataclass(frozen=True, slots=True)
class RequestContext:
    """The trainer that a call came to, and its region, whose jobs, models and deployments are all that it sees."""

    trainer: Context
    region: str

    @property
    def home(self) -> Home:
        """The trainer's stores."""
        return self.trainer.home

    @property
    def settle_s(self) -> float:
        """How long deployments and stops take to settle, in seconds."""
        return self.trainer.options.settle_s

    def customizations(self) -> Iterator[Customization]:
        """Return the region's customization jobs, newest first."""
        return (row for row in self.home.bedrock.customizations() if region_in(row.arn) == self.region)

    def deployments(self) -> Iterator[DeploymentRow]:
        """Return the region's deployments, newest first."""
        return (row for row in self.home.bedrock.deployments() if region_in(row.arn) == self.region)

    def has_settled(self, deployment: DeploymentRow) -> bool:
        """Say whether a deployment's last change is over."""
        return time.time() >= (deployment.updated_at or deployment.created_at) + self.settle_s

    def models_of(self, deployment: DeploymentRow) -> set[str]:
        """Return the ARNs of the custom models that a deployment needs: while it is swapped, two."""
        before = set() if deployment.model_before is None or self.has_settled(deployment) else {deployment.model_before}
        return {deployment.model_arn} | before


_SIGNED = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/,\s]+)/\d{8}/(?P<region>[a-z0-9-]{1,20})/(?P<service>[a-z0-9-]+)"
    r"/aws4_request,\s*SignedHeaders=[^,\s]+,\s*Signature=[0-9a-f]{64}"
)


class Signer(NamedTuple):
    """Whose access key a request is signed with, and for which region."""

    access_key_id: str
    region: str


def signer_of(authorizations: list[str]) -> Signer:
    """Read the one Authorization header of a request, or refuse the request with AccessDeniedException."""
    signed = _SIGNED.fullmatch(authorizations[0].strip()) if len(authorizations) == 1 else None
    if not signed:
        raise AwsRefusalError(DENIED, "The request is not signed with Signature Version 4.")
    if signed["service"] != "bedrock":
        raise AwsRefusalError(DENIED, "The request is signed for another service than bedrock.")
    return Signer(signed["key"], signed["region"])
