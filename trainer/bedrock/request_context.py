"""What every operation works on: the trainer's parts, and the region that the caller signed for."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from trainer.bedrock.arns import region_in
from trainer.context import Context
from trainer.storage.bedrock import Customization, DeploymentRow
from trainer.storage.home import Home


@dataclass(frozen=True, slots=True)
class Asking:
    """One call: on which trainer, in which region; regions know nothing of each other."""

    trainer: Context
    region: str

    @property
    def home(self) -> Home:
        """What the trainer keeps."""
        return self.trainer.home

    @property
    def settle_s(self) -> float:
        """How long deployments and stops take to settle, in seconds."""
        return self.trainer.options.settle_s

    def customizations(self) -> Iterator[Customization]:
        """Return the region's customization jobs, newest first."""
        return (one for one in self.home.bedrock.customizations() if region_in(one.arn) == self.region)

    def deployments(self) -> Iterator[DeploymentRow]:
        """Return the region's deployments, newest first."""
        return (one for one in self.home.bedrock.deployments() if region_in(one.arn) == self.region)

    def has_settled(self, one: DeploymentRow) -> bool:
        """Say whether a deployment's last change is over."""
        return time.time() >= (one.updated_at or one.created_at) + self.settle_s

    def models_of(self, one: DeploymentRow) -> set[str]:
        """Return the ARNs of the custom models that a deployment needs: while it is swapped, two."""
        before = set() if one.model_before is None or self.has_settled(one) else {one.model_before}
        return {one.model_arn} | before
