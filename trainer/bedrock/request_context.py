"""The context of a call on Bedrock's wire: the trainer's parts, and the region that the caller signed for."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from trainer.bedrock.arns import region_in
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
