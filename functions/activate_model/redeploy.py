"""Deploying again: a version whose deployment failed is trained and paid for, and its provider may manage it now.

Here it is only written down. The sweep removes what failed and asks for another, step by step. Of a version that was
registered by hand the provider is asked once more whether it has its model.
"""

from datetime import datetime

from tuneloop.domain.core.errors import Conflict
from tuneloop.domain.serving.hosting import asked_again
from tuneloop.domain.serving.models import Version, VersionStatus
from tuneloop.domain.serving.verification import to_verify
from tuneloop.store.repositories.models import Models


def redeploy(tenant: str, model: str, number: int, *, models: Models, now: datetime) -> Version:
    """The version, to be deployed or verified once more; Conflict where neither has failed."""
    version = models.version(tenant, model, number)
    if version.status in (VersionStatus.DEPLOYING, VersionStatus.VERIFYING):
        return version
    if version.status in (VersionStatus.FAILED, VersionStatus.UNVERIFIED):
        return models.verify(to_verify(version, now), now)
    if version.status != VersionStatus.DEPLOY_FAILED:
        message = (
            f"Version {number} is {version.status}; only one that is deploy_failed, failed or unverified can be "
            "deployed again."
        )
        raise Conflict(message, param="version", code="not_failed")
    return models.save_version(asked_again(version, now))
