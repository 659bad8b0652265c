"""Deploying again: a version whose deployment failed is trained and paid for, and its provider may manage it now.

Here it is only written down. The sweep removes what failed and asks for another, step by step.
"""

from datetime import datetime

from tuneloop.domain.errors import Conflict
from tuneloop.domain.hosting import asked_again
from tuneloop.domain.registry import Version, VersionStatus
from tuneloop.store.models import Models


def redeploy(tenant: str, model: str, number: int, *, models: Models, now: datetime) -> Version:
    """The version, to be deployed once more; Conflict where its deployment hasn't failed."""
    version = models.version(tenant, model, number)
    if version.status == VersionStatus.DEPLOYING:
        return version
    if version.status != VersionStatus.DEPLOY_FAILED:
        message = f"Version {number} is {version.status}; only one that is deploy_failed can be deployed again."
        raise Conflict(message, param="version", code="not_failed")
    return models.save_version(asked_again(version, now))
