"""Version deployments: versions are deployed or verified at their provider, and removed there once they are retired.

A deployment is named after its version, and each step looks for that name before it asks for anything. So a step that
died halfway is completed by the next one, and nothing is made twice. The write that makes a version ready also
announces it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from tuneloop.domain.core.errors import Conflict, ProviderRefused, ProviderUnavailable, Stale
from tuneloop.domain.serving.hosting import (
    WAITS_FOR_DEPLOYMENT,
    WAITS_FOR_QUOTA,
    WAITS_FOR_REDEPLOY,
    as_ready,
    as_retired,
    deployment_name,
    oldest_spare_version,
    with_deploy_failure,
    with_deployment,
    with_wait,
)
from tuneloop.domain.serving.models import Version, VersionStatus
from tuneloop.domain.serving.verification import (
    NO_MODEL_LIST,
    as_unknown_model,
    as_unverified,
    as_verified,
    with_no_answer,
)
from tuneloop.observability import count, log_failure
from tuneloop.providers.port import KEY_ERRORS, QUOTA_REACHED, Hosting, ProviderDeployment
from tuneloop.providers.registry import Providers
from tuneloop.runtime.best_effort import for_each
from tuneloop.store.repositories.models import Models

# A deployment takes minutes: a version that isn't served a day after it was made is stuck, and the alarm on
# `RunsOverdue` tells an operator.
OVERDUE_AFTER = timedelta(days=1)
# Seconds for both calls of a verification, the model's and the list's: one slow provider must not use up the 60 s in
# which the function steps all versions. The next step asks again.
VERIFY_TIMEOUT_S = 10.0
DEPLOYMENT_FAILED = "The provider could not make this version's deployment; its console says why."


@dataclass(frozen=True)
class VersionDeployments:
    """Takes versions that are to be deployed, verified or removed one step further; `now` is the time of the step."""

    stage: str
    providers: Providers
    models: Models
    now: datetime

    def step_open(self) -> None:
        """Take every open version a step further; `RunsOverdue` counts those that aren't served within a day."""
        unfinished = list(self.models.open_versions())
        count("RunsOverdue", sum(self._is_overdue(version) for version in unfinished))
        for_each(unfinished, self.step)

    def _is_overdue(self, version: Version) -> bool:
        return version.status == VersionStatus.DEPLOYING and self.now - version.created_at > OVERDUE_AFTER

    def step(self, version: Version, older_than_s: float = 0) -> Version:
        """Take a version one step further and return it as stored; of several simultaneous steps one writes.

        A version that isn't open, or was checked less than `older_than_s` seconds ago, is returned unchanged. A
        provider that is unavailable or refuses leaves the version waiting, with the reason.
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
        """Ask the provider whether it has the model of a version that was registered by hand, and store the answer.

        Without a valid key, or after a refusal, the version is `unverified`. A provider that is unavailable, or was
        removed from the stage, is asked again for an hour.
        """
        try:
            has_it = self.providers.get(version.provider).has_model(version.provider_model, VERIFY_TIMEOUT_S)
        except (ProviderUnavailable, ProviderRefused, Conflict) as error:
            if error.code in KEY_ERRORS or isinstance(error, ProviderRefused):
                return self.models.save_version(as_unverified(version, error.message, self.now))
            return self.models.save_version(with_no_answer(version, error.message, self.now))
        if has_it:
            return self.models.save_ready(as_verified(version, self.now), self.now)
        if has_it is None:
            return self.models.save_version(as_unverified(version, NO_MODEL_LIST, self.now))
        count("VersionsFailed")
        return self.models.save_version(as_unknown_model(version, self.now))

    def _deploy(self, version: Version, name: str, hosting: Hosting | None) -> Version:
        """Ask for a version's deployment, or look how far it is; announces the version once it is ready."""
        if hosting is None:  # the provider was reconfigured to one that serves models without a deployment
            return self._announce_ready(version, None)
        try:
            hosted = _deployment_for(version, name, hosting)
        except ProviderRefused as error:
            if error.code == QUOTA_REACHED:
                return self._take_over_oldest(version) or self._wait(version, WAITS_FOR_QUOTA)
            return self._fail(version, error.code, error.message)
        if hosted.status == VersionStatus.READY:
            return self._announce_ready(version, hosted.id)
        if hosted.status == VersionStatus.DEPLOY_FAILED:
            return self._deploy_again(version, hosted, hosting)
        return self.models.save_version(with_deployment(version, hosted.id, self.now))

    def _deploy_again(self, version: Version, hosted: ProviderDeployment, hosting: Hosting) -> Version:
        """Store that a deployment failed; if a person asked to deploy again, remove it so that the next step retries.

        Such a request leaves the error of the first failure in the version, which tells the two cases apart.
        """
        if version.error is None:
            return self._fail(version, "deployment_failed", DEPLOYMENT_FAILED)
        hosting.undeploy(hosted.id)
        waiting = with_wait(version, WAITS_FOR_REDEPLOY, self.now)
        return self.models.save_version(waiting.model_copy(update={"deployment": None}))

    def _take_over_oldest(self, version: Version) -> Version | None:
        """Retire the oldest version that isn't needed, and give its deployment to `version`; None if all are needed.

        The account's quota allows no other deployment. The next step swaps the model behind the one taken over.
        """
        deployment = self.models.deployment(version.tenant, version.model)
        oldest = oldest_spare_version(self.models.all_versions(version.tenant, version.model), deployment)
        if oldest is None:
            return None
        heir = with_wait(version, WAITS_FOR_DEPLOYMENT, self.now, oldest.deployment)
        self.models.retire(as_retired(oldest, self.now).model_copy(update={"deployment": None}), deployment, heir)
        count("VersionsRetired")
        return heir.model_copy(update={"seq": version.seq + 1})

    def _delete_deployment(self, version: Version, name: str, hosting: Hosting | None) -> Version:
        """Delete a retired version's deployment and model, unless other versions use them.

        A model that none of our runs made belongs to its owner and is kept.
        """
        if hosting:
            versions = self.models.all_versions(version.tenant, version.model)
            others = [other for other in versions if other.number != version.number and other.removed_at is None]
            hosted = hosting.find_deployment(version.deployment or name)
            if hosted and hosted.id not in {other.deployment for other in others}:
                hosting.undeploy(hosted.id)
            if version.run and version.provider_model not in {other.provider_model for other in others}:
                hosting.delete_model(version.provider_model)
        update = {"removed_at": self.now, "deployment": None, "checked_at": self.now}
        return self.models.save_version(version.model_copy(update=update))

    def _announce_ready(self, version: Version, deployment: str | None) -> Version:
        return self.models.save_ready(as_ready(version, deployment, self.now), self.now)

    def _fail(self, version: Version, code: str, message: str) -> Version:
        count("VersionsFailed")
        return self.models.save_version(with_deploy_failure(version, code, message, self.now))

    def _wait(self, version: Version, reason: str) -> Version:
        return self.models.save_version(with_wait(version, reason, self.now))


def _deployment_for(version: Version, name: str, hosting: Hosting) -> ProviderDeployment:
    """The version's deployment, made if there is none; one taken over from another version gets this one's model."""
    hosted = hosting.find_deployment(version.deployment or name) or hosting.deploy(name, version.provider_model)
    if hosted.model in (None, version.provider_model) or hosted.status == VersionStatus.DEPLOYING:
        return hosted
    return hosting.swap(hosted.id, version.provider_model)
