"""The two versions of a comparison, and the export on whose test rows they are compared, as a person asks for them."""

from typing import NamedTuple

from tuneloop.domain.core.errors import Conflict, InvalidInput
from tuneloop.domain.serving.models import Deployment, Version, VersionStatus
from tuneloop.store.repositories.models import Models


class VersionPair(NamedTuple):
    """A version and the one that it is compared with."""

    version: Version
    against: Version


def resolve_pair(
    tenant: str, model: str, number: int, against: int | None, *, promotes: bool, models: Models
) -> VersionPair:
    """The versions to compare; Conflict or InvalidInput where they can't be, or where the verdict could not be used."""
    version = models.version(tenant, model, number)
    deployment = models.deployment(tenant, model)
    if promotes:
        _require_promotable(version, against, deployment)
    other = against if against is not None else _counterpart(number, deployment, models)
    if other == number:
        message = f"against: version {number} can't be compared with itself; name another version of {model}."
        raise InvalidInput(message, param="against", code="same_version")
    pair = VersionPair(version, models.version(tenant, model, other))
    _require_answers(pair.version, "version")
    _require_answers(pair.against, "against")
    return pair


def resolve_export(pair: VersionPair, dataset: str | None, export: str | None) -> tuple[str, str]:
    """The dataset and export to compare on: those named, else the version's own, else the other version's own."""
    own = next((one for one in pair if one.dataset and one.export), None)
    dataset = dataset or (own.dataset if own else None)
    export = export or (own.export if own and own.dataset == dataset else None)
    if dataset is None or export is None:
        message = "Neither version has an export of its own there: name a `dataset` and its `export`."
        raise InvalidInput(message, param="export")
    return dataset, export


def _counterpart(number: int, deployment: Deployment, models: Models) -> int:
    """What a version is compared with if nothing is named: what serves; for what serves itself, what served before."""
    if number != deployment.stable:
        return deployment.stable
    before = deployment.previous
    if before is not None and models.version(deployment.tenant, deployment.model, before).can_answer:
        return before
    if number != 0:
        return 0
    message = "Version 0 serves, and no other served before it: name the version to compare it with in `against`."
    raise Conflict(message, param="against", code="nothing_to_compare")


def _require_promotable(version: Version, against: int | None, deployment: Deployment) -> None:
    number, stable = version.number, deployment.stable
    if number == stable:
        message = f"Version {number} serves already, so there is nothing to promote; leave out `promote` for a report."
        raise Conflict(message, param="version", code="already_stable")
    if against not in (None, stable):
        message = (
            f"Version {stable} serves now: only a comparison with it can promote. Name it in `against`, or leave out "
            "`promote` for a report."
        )
        raise Conflict(message, param="against", code="not_stable")
    if version.status == VersionStatus.UNVERIFIED:
        message = (
            f"Version {number} is unverified: whether its provider has such a model is not known, so a person has to "
            "activate it by name. Leave out `promote` for a report."
        )
        raise Conflict(message, param="version", code="version_unverified")


def _require_answers(version: Version, param: str) -> None:
    if version.can_answer:
        return
    message = f"Version {version.number} is {version.status}; only one that is ready can answer test questions."
    raise Conflict(message, param=param, code="not_ready")
