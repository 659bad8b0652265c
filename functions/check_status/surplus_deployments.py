"""Letting go of versions that nobody can be served by any more: their deployments, their models, their places."""

from datetime import datetime

from tuneloop.domain.serving.hosting import UNDER_WAY, as_retired, oldest_to_spare, with_wait
from tuneloop.domain.serving.models import Version
from tuneloop.observability import count
from tuneloop.providers.port import Hosting
from tuneloop.store.repositories.models import Models


def take_over_oldest(version: Version, models: Models, now: datetime) -> Version | None:
    """The version with the deployment of the oldest one that nobody needs, None without one; the swap comes next."""
    seen = models.deployment(version.tenant, version.model)
    oldest = oldest_to_spare(models.all_versions(version.tenant, version.model), seen)
    if oldest is None:
        return None
    heir = with_wait(version, UNDER_WAY, now, oldest.deployment)
    models.retire(as_retired(oldest, now).model_copy(update={"deployment": None}), seen, heir)
    count("VersionsRetired")
    return heir.model_copy(update={"seq": version.seq + 1})


def delete_deployment(version: Version, name: str, hosting: Hosting | None, models: Models, now: datetime) -> Version:
    """End a retired version's deployment and delete its model, but for what other versions have of it by now.

    A model that no run of ours has made is its owner's.
    """
    if hosting:
        every = models.all_versions(version.tenant, version.model)
        others = [one for one in every if one.number != version.number and one.removed_at is None]
        own = hosting.hosted(version.deployment or name)
        if own and own.id not in {one.deployment for one in others}:
            hosting.undeploy(own.id)
        if version.run and version.provider_model not in {one.provider_model for one in others}:
            hosting.delete_model(version.provider_model)
    return models.save_version(version.model_copy(update={"removed_at": now, "deployment": None, "checked_at": now}))
