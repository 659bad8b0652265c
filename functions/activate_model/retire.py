"""Retiring: a version that is never to be called again, so that its provider keeps and bills nothing for it any more.

Here it is only written down. What its provider has of it is removed by the sweep afterwards, step by step, however
often a process dies on the way.
"""

from datetime import datetime

from tuneloop.domain.serving.hosting import check_retirable, retired
from tuneloop.domain.serving.models import Version, VersionStatus
from tuneloop.store.repositories.models import Models


def retire(tenant: str, model: str, number: int, *, models: Models, now: datetime) -> Version:
    """The version, retired; Conflict where it serves, is tried, could be rolled back to, or is the base model."""
    seen = models.deployment(tenant, model)
    version = models.version(tenant, model, number)
    if version.status == VersionStatus.RETIRED:
        return version
    check_retirable(number, seen)
    return models.retire(retired(version, now), seen)
