"""Hosting versions: what a provider has to be asked for before a version can answer, and to be rid of afterwards.

Each step looks before it asks: a deployment has a name of its own, so whoever died on the way is followed by somebody
who finds what he left. A version is announced as ready in the write that makes it so.
"""

from datetime import datetime, timedelta

from check_status.surplus_deployments import delete_deployment, take_over_oldest
from check_status.verify import verify
from tuneloop.domain.core.errors import ProviderRefused, ProviderUnavailable, Stale
from tuneloop.domain.serving.hosting import (
    ASKED_AGAIN,
    FULL,
    as_ready,
    deployment_name,
    with_deploy_failure,
    with_deployment,
    with_wait,
)
from tuneloop.domain.serving.models import Version, VersionStatus
from tuneloop.observability import count, log_failure
from tuneloop.providers.port import QUOTA_REACHED, Hosted, Hosting
from tuneloop.providers.registry import Providers
from tuneloop.runtime.best_effort import for_each
from tuneloop.store.repositories.models import Models

OVERDUE_AFTER = timedelta(days=1)
NOT_MADE = "The provider could not make this version's deployment; its console says why."


def host_open(*, stage: str, providers: Providers, models: Models, now: datetime) -> None:
    """Take every version that is to be deployed, verified or removed a step further.

    One that is not served within a day is `RunsOverdue`.
    """
    unfinished = list(models.open_versions())
    count("RunsOverdue", sum(_is_overdue(version, now) for version in unfinished))
    for_each(
        unfinished,
        lambda version: step(version, stage=stage, providers=providers, models=models, now=now),
    )


def _is_overdue(version: Version, now: datetime) -> bool:
    return version.status == VersionStatus.DEPLOYING and now - version.created_at > OVERDUE_AFTER


def step(
    version: Version,
    *,
    stage: str,
    providers: Providers,
    models: Models,
    now: datetime,
    older_than_s: float = 0,
) -> Version:
    """A version after what can be done about it now; of several that do so at once, one writes.

    One that was looked at less than `older_than_s` seconds ago is left as it is, as is one that is not open.
    """
    fresh = version.checked_at is not None and now - version.checked_at < timedelta(seconds=older_than_s)
    if not version.is_open or fresh:
        return version
    try:
        if version.status == VersionStatus.VERIFYING:
            return verify(version, providers=providers, models=models, now=now)
        hosting = providers.get(version.provider).hosting
        name = deployment_name(stage, version.tenant, version.model, version.number)
        if version.status == VersionStatus.RETIRED:
            return delete_deployment(version, name, hosting, models, now)
        return _deploy(version, name, hosting, models, now)
    except Stale:
        return models.version(version.tenant, version.model, version.number)
    except (ProviderUnavailable, ProviderRefused) as error:
        log_failure(error)
        return _waits(version, error.message, models, now)


def _deploy(version: Version, name: str, hosting: Hosting | None, models: Models, now: datetime) -> Version:
    if hosting is None:  # the provider was changed for one that serves at once
        return _is_ready(version, None, models, now)
    try:
        hosted = _asked_for(version, name, hosting)
    except ProviderRefused as error:
        if error.code == QUOTA_REACHED:
            return take_over_oldest(version, models, now) or _waits(version, FULL, models, now)
        return _failed(version, error.code, error.message, models, now)
    if hosted.status == VersionStatus.READY:
        return _is_ready(version, hosted.id, models, now)
    if hosted.status == VersionStatus.DEPLOY_FAILED:
        return _not_made(version, hosted, hosting, models, now)
    return models.save_version(with_deployment(version, hosted.id, now))


def _not_made(version: Version, hosted: Hosted, hosting: Hosting, models: Models, now: datetime) -> Version:
    """A version whose deployment failed; one that was asked for again is rid of it, and gets another next."""
    if version.error is None:
        return _failed(version, "deployment_failed", NOT_MADE, models, now)
    hosting.undeploy(hosted.id)
    return models.save_version(with_wait(version, ASKED_AGAIN, now).model_copy(update={"deployment": None}))


def _asked_for(version: Version, name: str, hosting: Hosting) -> Hosted:
    """The version's deployment, which may be one that another version has left it."""
    hosted = hosting.hosted(version.deployment or name) or hosting.deploy(name, version.provider_model)
    if hosted.model in (None, version.provider_model) or hosted.status == VersionStatus.DEPLOYING:
        return hosted
    return hosting.swap(hosted.id, version.provider_model)


def _is_ready(version: Version, deployment: str | None, models: Models, now: datetime) -> Version:
    return models.deployed(as_ready(version, deployment, now), now)


def _failed(version: Version, code: str, message: str, models: Models, now: datetime) -> Version:
    count("VersionsFailed")
    return models.save_version(with_deploy_failure(version, code, message, now))


def _waits(version: Version, what: str, models: Models, now: datetime) -> Version:
    return models.save_version(with_wait(version, what, now))
