"""Hosting: versions at a provider that needs a deployment to serve a model, and the retirement of versions.

A deployment's name is derived from its version, so that asking for it twice makes one. A version that serves, is tried
or could be rolled back to is never retired. A retired version is deleted at its provider afterwards, and its row says
when that was done.
"""

import re
from collections.abc import Iterable
from datetime import datetime

from tuneloop.domain.core.errors import Conflict
from tuneloop.domain.core.ids import digest
from tuneloop.domain.serving.models import Deployment, Version, VersionStatus
from tuneloop.domain.training.jobs import RunError

# Characters of a model's name in the names of its deployments, which may have 63 in all; the hash tells models apart.
MODEL_CHARACTERS = 16
WAITS_FOR_REDEPLOY = "Another deployment: the one that failed is removed first."
WAITS_FOR_DEPLOYMENT = "Its deployment, which the provider is making: that takes minutes."
WAITS_FOR_QUOTA = (
    "A deployment: the provider gives this account no more, and each one that this model has is in use. Retire a "
    "version of another model, or ask the provider for a larger quota."
)


def deployment_name(stage: str, tenant: str, model: str, number: int) -> str:
    """The name of a version's deployment: at most 63 letters, digits and single hyphens."""
    readable = f"tuneloop-{stage}-{model[:MODEL_CHARACTERS]}-v{number}-{digest(tenant, model, number)[:10]}"
    return re.sub(r"-+", "-", readable)


def with_deploy_failure(version: Version, code: str, message: str, now: datetime) -> Version:
    """The version as `deploy_failed`, with the error."""
    error = RunError(code=code, message=message)
    ended = {"status": VersionStatus.DEPLOY_FAILED, "waiting_for": None, "error": error, "checked_at": now}
    return version.model_copy(update=ended)


def with_wait(version: Version, what: str, now: datetime, deployment: str | None = None) -> Version:
    """The version as one that waits for `what` before it can be served."""
    update = {"waiting_for": what, "checked_at": now, "deployment": deployment or version.deployment}
    return version.model_copy(update=update)


def with_redeploy(version: Version, now: datetime) -> Version:
    """The version as one to be deployed once more; its error stays until another deployment is under way."""
    again = {"status": VersionStatus.DEPLOYING, "waiting_for": WAITS_FOR_REDEPLOY, "checked_at": now}
    return version.model_copy(update=again)


def with_deployment(version: Version, deployment: str, now: datetime) -> Version:
    """The version with the deployment that its provider is making."""
    return with_wait(version, WAITS_FOR_DEPLOYMENT, now, deployment).model_copy(update={"error": None})


def as_ready(version: Version, deployment: str | None, now: datetime) -> Version:
    """The version as `ready` for calls, with its deployment if the provider needs one."""
    served = {"status": VersionStatus.READY, "waiting_for": None, "error": None, "checked_at": now}
    return version.model_copy(update={**served, "deployment": deployment})


def as_retired(version: Version, now: datetime) -> Version:
    """The version as `retired`; its deployment, if it may have one, is still to be deleted at its provider."""
    may_be_deployed = version.deployment or version.status in (VersionStatus.DEPLOYING, VersionStatus.DEPLOY_FAILED)
    removed_at = None if may_be_deployed else now
    return version.model_copy(update={"status": VersionStatus.RETIRED, "waiting_for": None, "removed_at": removed_at})


def needed_versions(deployment: Deployment) -> set[int | None]:
    """The stable, candidate and previous versions of a deployment, and the base model."""
    return {0, deployment.stable, deployment.candidate, deployment.previous}


def check_retirable(number: int, deployment: Deployment) -> None:
    """Raise Conflict if a version is still needed, with the role it has."""
    roles = {
        deployment.candidate: "is candidate: end its trial first",
        deployment.previous: "is what a rollback would put back: activate others first",
        deployment.stable: "is stable: activate another first",
        0: "is the base model, which is always kept",
    }
    if number in roles:
        raise Conflict(f"Version {number} {roles[number]}.", param="version", code="version_in_use")


def oldest_spare_version(versions: Iterable[Version], deployment: Deployment) -> Version | None:
    """The oldest ready version whose deployment could serve another version; None if all are needed."""
    spare = (
        version
        for version in versions
        if version.status == VersionStatus.READY and version.deployment and version.run
        if version.number not in needed_versions(deployment)
    )
    return min(spare, key=lambda version: version.number, default=None)
