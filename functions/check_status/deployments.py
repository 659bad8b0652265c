"""Version deployments: what a provider is asked for before a version can answer, and to be rid of it afterwards.

Each step looks before it asks: a deployment has a name of its own, so whoever died on the way is followed by somebody
who finds what he left. A version is announced as ready in the write that makes it so.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from tuneloop.domain.core.errors import Conflict, ProviderRefused, ProviderUnavailable, Stale
from tuneloop.domain.serving.hosting import (
    ASKED_AGAIN,
    FULL,
    UNDER_WAY,
    as_ready,
    as_retired,
    deployment_name,
    oldest_to_spare,
    with_deploy_failure,
    with_deployment,
    with_wait,
)
from tuneloop.domain.serving.models import Version, VersionStatus
from tuneloop.domain.serving.verification import NO_WAY, as_unknown_model, as_unverified, as_verified, with_no_answer
from tuneloop.observability import count, log_failure
from tuneloop.providers.port import KEY_TROUBLE, QUOTA_REACHED, Hosted, Hosting
from tuneloop.providers.registry import Providers
from tuneloop.runtime.best_effort import for_each
from tuneloop.store.repositories.models import Models

# A version that isn't served a day after it was made has got stuck: the alarm on `RunsOverdue` says so.
OVERDUE_AFTER = timedelta(days=1)
# Bounds both calls of a verification, for the model and for the list: only the version's next look waits for them.
VERIFYING_S = 10.0
NOT_MADE = "The provider could not make this version's deployment; its console says why."


@dataclass(frozen=True)
class VersionDeployments:
    """The versions that are to be deployed, verified or removed, each taken a step further at a time."""

    stage: str
    providers: Providers
    models: Models
    now: datetime

    def step_open(self) -> None:
        """Take every open version a step further; one that is not served within a day is `RunsOverdue`."""
        unfinished = list(self.models.open_versions())
        count("RunsOverdue", sum(self._is_overdue(version) for version in unfinished))
        for_each(unfinished, self.step)

    def _is_overdue(self, version: Version) -> bool:
        return version.status == VersionStatus.DEPLOYING and self.now - version.created_at > OVERDUE_AFTER

    def step(self, version: Version, older_than_s: float = 0) -> Version:
        """A version after what can be done about it now; of several that do so at once, one writes.

        One that was looked at less than `older_than_s` seconds ago is left as it is, as is one that is not open.
        """
        is_fresh = version.checked_at is not None and self.now - version.checked_at < timedelta(seconds=older_than_s)
        if not version.is_open or is_fresh:
            return version
        try:
            if version.status == VersionStatus.VERIFYING:
                return self._verify(version)
            hosting = self.providers.get(version.provider).hosting
            name = deployment_name(self.stage, version.tenant, version.model, version.number)
            if version.status == VersionStatus.RETIRED:
                return self._delete_deployment(version, name, hosting)
            return self._deploy(version, name, hosting)
        except Stale:
            return self.models.version(version.tenant, version.model, version.number)
        except (ProviderUnavailable, ProviderRefused) as error:
            log_failure(error)
            return self._wait(version, error.message)

    def _verify(self, version: Version) -> Version:
        """Ask the provider whether it has the model of a version that was registered by hand.

        One that the stage has no key for can't be asked; one that is away, or was removed, is asked again for an hour.
        """
        try:
            has_it = self.providers.get(version.provider).has_model(version.provider_model, VERIFYING_S)
        except (ProviderUnavailable, ProviderRefused, Conflict) as error:
            if error.code in KEY_TROUBLE or isinstance(error, ProviderRefused):
                return self.models.save_version(as_unverified(version, error.message, self.now))
            return self.models.save_version(with_no_answer(version, error.message, self.now))
        if has_it:
            return self.models.save_ready(as_verified(version, self.now), self.now)
        if has_it is None:
            return self.models.save_version(as_unverified(version, NO_WAY, self.now))
        count("VersionsFailed")
        return self.models.save_version(as_unknown_model(version, self.now))

    def _deploy(self, version: Version, name: str, hosting: Hosting | None) -> Version:
        if hosting is None:  # the provider was changed for one that serves at once
            return self._announce_ready(version, None)
        try:
            hosted = _deployment_for(version, name, hosting)
        except ProviderRefused as error:
            if error.code == QUOTA_REACHED:
                return self._take_over_oldest(version) or self._wait(version, FULL)
            return self._fail(version, error.code, error.message)
        if hosted.status == VersionStatus.READY:
            return self._announce_ready(version, hosted.id)
        if hosted.status == VersionStatus.DEPLOY_FAILED:
            return self._deploy_again(version, hosted, hosting)
        return self.models.save_version(with_deployment(version, hosted.id, self.now))

    def _deploy_again(self, version: Version, hosted: Hosted, hosting: Hosting) -> Version:
        """Fail a version whose deployment failed; one that was deployed again is rid of it, and gets another next."""
        if version.error is None:
            return self._fail(version, "deployment_failed", NOT_MADE)
        hosting.undeploy(hosted.id)
        waits = with_wait(version, ASKED_AGAIN, self.now)
        return self.models.save_version(waits.model_copy(update={"deployment": None}))

    def _take_over_oldest(self, version: Version) -> Version | None:
        """The version with the deployment of the oldest one that nobody needs, None without one; it is swapped next."""
        seen = self.models.deployment(version.tenant, version.model)
        oldest = oldest_to_spare(self.models.all_versions(version.tenant, version.model), seen)
        if oldest is None:
            return None
        heir = with_wait(version, UNDER_WAY, self.now, oldest.deployment)
        self.models.retire(as_retired(oldest, self.now).model_copy(update={"deployment": None}), seen, heir)
        count("VersionsRetired")
        return heir.model_copy(update={"seq": version.seq + 1})

    def _delete_deployment(self, version: Version, name: str, hosting: Hosting | None) -> Version:
        """End a retired version's deployment and delete its model, but for what other versions have of it by now.

        A model that no run of ours has made is its owner's.
        """
        if hosting:
            versions = self.models.all_versions(version.tenant, version.model)
            others = [other for other in versions if other.number != version.number and other.removed_at is None]
            own = hosting.find_deployment(version.deployment or name)
            if own and own.id not in {other.deployment for other in others}:
                hosting.undeploy(own.id)
            if version.run and version.provider_model not in {other.provider_model for other in others}:
                hosting.delete_model(version.provider_model)
        removed = {"removed_at": self.now, "deployment": None, "checked_at": self.now}
        return self.models.save_version(version.model_copy(update=removed))

    def _announce_ready(self, version: Version, deployment: str | None) -> Version:
        return self.models.save_ready(as_ready(version, deployment, self.now), self.now)

    def _fail(self, version: Version, code: str, message: str) -> Version:
        count("VersionsFailed")
        return self.models.save_version(with_deploy_failure(version, code, message, self.now))

    def _wait(self, version: Version, reason: str) -> Version:
        return self.models.save_version(with_wait(version, reason, self.now))


def _deployment_for(version: Version, name: str, hosting: Hosting) -> Hosted:
    """The version's deployment, which may be one that another version has left it."""
    hosted = hosting.find_deployment(version.deployment or name) or hosting.deploy(name, version.provider_model)
    if hosted.model in (None, version.provider_model) or hosted.status == VersionStatus.DEPLOYING:
        return hosted
    return hosting.swap(hosted.id, version.provider_model)
