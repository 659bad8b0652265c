"""Models, their versions, deployments and history."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from tuneloop.domain.core.errors import NotFound
from tuneloop.domain.core.redaction import safe_name
from tuneloop.domain.events import (
    AnyEvent,
    DeploymentChanged,
    ModelSunsetApproaching,
    VersionReady,
    VersionVerificationRequested,
)
from tuneloop.domain.serving.models import Deployment, HistoryEntry, Model, NewModel, Version, VersionStatus, hold_in
from tuneloop.store import keys
from tuneloop.store.dynamodb import ConditionalPut, EmitEvent, Listing, PutOnce, Table, Write, paginate
from tuneloop.store.repositories.datasets import model_writes

# How long the mark stays that a decision was made for an event. The event may be delivered again, at the latest from a
# dead letter, which an operator may send again for 14 days: this is far beyond that.
MARKS_KEPT = timedelta(days=90)
# The highest number that keys of versions, which are padded with zeros, can hold in order.
LAST_VERSION = 999_999
# Lines of history per read: refusals come about once a month, so one read finds a model's last change in most cases.
DECISIONS_READ = 25


class Models:
    """The registry of every tenant."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def find(self, tenant: str, model: str) -> Model | None:
        """The model, if it is registered."""
        return self._table.get(keys.model(tenant, model), Model)

    def get(self, tenant: str, model: str) -> Model:
        """The model, or NotFound in OpenAI's words."""
        if (stored := self.find(tenant, model)) is None:
            raise unknown_model(model)
        return stored

    def all(self, tenant: str) -> Iterator[Model]:
        """Every model of a tenant, by name."""
        return self._table.all(f"T#{tenant}#MODELS", Model)

    def register(self, new: NewModel) -> None:
        """Store a new model with its version 0 stable."""
        self._table.commit(*model_writes(new))

    def version(self, tenant: str, model: str, number: int) -> Version:
        """A version of a model, or NotFound."""
        version = self._table.get(keys.version(tenant, model, number), Version)
        if version is None:
            raise NotFound(f"Model {model} has no version {number}.", param="version")
        return version

    def versions(self, tenant: str, model: str, limit: int, cursor: str | None) -> Listing[Version]:
        """A page of a model's versions, newest first."""
        partition = keys.deployment(tenant, model).pk
        return self._table.page(partition, Version, prefix="VERSION#", limit=limit, cursor=cursor, newest_first=True)

    def open_versions(self) -> Iterator[Version]:
        """Every version of every tenant that is to be deployed or removed at its provider, oldest first."""
        return self._table.all(keys.OPEN_VERSIONS, Version, index=keys.SWEEP)

    def save_version(self, version: Version) -> Version:
        """Store a version's progress; returns it as stored. Stale where it has changed since it was read."""
        self._table.commit(_version_write(version))
        return version.model_copy(update={"seq": version.seq + 1})

    def save_ready(self, version: Version, now: datetime) -> Version:
        """Store a version that can be called from now on, with the event that it is ready; returns it as stored."""
        self._table.commit(_version_write(version), _ready_event(version, now))
        return version.model_copy(update={"seq": version.seq + 1})

    def retire(self, version: Version, seen: Deployment, heir: Version | None = None) -> Version:
        """Store a version that must never be called again, and the `heir` that takes over its deployment, if any.

        Stale where the model's deployment has changed since it was `seen`. The deployment is written too, so that a
        decision to activate the version at the same time fails as Stale.
        """
        writes: list[Write] = [_version_write(version), ConditionalPut(keys.deployment(seen.tenant, seen.model), seen)]
        self._table.commit(*writes, *([_version_write(heir)] if heir else []))
        return version.model_copy(update={"seq": version.seq + 1})

    def all_versions(self, tenant: str, model: str) -> Iterator[Version]:
        """Every version of a model, oldest first."""
        first, last = (keys.version(tenant, model, number) for number in (0, LAST_VERSION))
        return self._table.between(first.pk, first.sk, last.sk, Version)

    def add_version(self, model: Model, version: Version, now: datetime) -> None:
        """Store a version under the model's next number, with the event that it is ready or is to be verified."""
        self._table.commit(*version_writes(model, version, now))

    def verify(self, version: Version, now: datetime) -> Version:
        """Store a version whose provider is to be asked for its model, with the event that has that done."""
        self._table.commit(_version_write(version), _verification_event(version, now))
        return version.model_copy(update={"seq": version.seq + 1})

    def replace_prompt(self, version: Version, prompt: str | None) -> None:
        """Store a version with another prompt; Stale where the version has changed since it was read."""
        self._table.commit(_version_write(version.model_copy(update={"prompt": prompt})))

    def announce_sunset(self, version: Version, event: ModelSunsetApproaching, now: datetime) -> None:
        """Store a version with the mark that its sunset was announced, and the event; Stale where others did so."""
        self._table.commit(_version_write(version), EmitEvent(event, version.seq + 1, now))

    def deployment(self, tenant: str, model: str) -> Deployment:
        """The deployment of a model, or NotFound in OpenAI's words."""
        deployment = self._table.get(keys.deployment(tenant, model), Deployment)
        if deployment is None:
            raise unknown_model(model)
        return deployment

    def deployment_with_hold(self, tenant: str, model: str) -> Deployment:
        """The deployment of a model with the hold on it; chat calls don't need the hold and read `deployment`.

        For a row of a release without holds the hold is derived from the history: a version that a person took off
        before the upgrade has to stay off after it. The next decision stores the hold.
        """
        deployment = self.deployment(tenant, model)
        if deployment.knows_holds:
            return deployment
        return deployment.model_copy(update={"hold": hold_in(self._decisions(tenant, model)), "knows_holds": True})

    def _decisions(self, tenant: str, model: str) -> Iterator[HistoryEntry]:
        """A model's decisions, newest first; pages are read only as far as the caller goes on."""
        return paginate(lambda cursor: self.history(tenant, model, DECISIONS_READ, cursor))

    def decide(
        self,
        old: Deployment,
        new: Deployment,
        entry: HistoryEntry,
        once: str | None = None,
        follow_up: VersionReady | None = None,
    ) -> None:
        """Store a decision: the new deployment, its line of history, and the event if the deployment's step changed.

        `once` names the cause of the decision; a second decision for one cause fails as Stale. `follow_up` has a
        version evaluated again; the version's first announcement was event number 1, and decisions begin at 2.
        """
        tenant, model = new.tenant, new.model
        writes: list[Write] = [
            ConditionalPut(keys.deployment(tenant, model), new),
            ConditionalPut(keys.history(tenant, model, new.seq + 1), entry),
        ]
        if once:
            writes.append(PutOnce(keys.decision(tenant, model, once), entry.at, MARKS_KEPT))
        if new.step != old.step:
            event = DeploymentChanged(
                tenant=tenant,
                model=model,
                stable=new.stable,
                candidate=new.candidate,
                share=new.share,
                reason=new.reason,
            )
            writes.append(EmitEvent(event, new.seq + 1, entry.at))
        if follow_up:
            writes.append(EmitEvent(follow_up, new.seq + 1, entry.at))
        self._table.commit(*writes)

    def is_decided(self, tenant: str, model: str, once: str) -> bool:
        """Whether a decision that follows from `once` has been made."""
        return self._table.holds(keys.decision(tenant, model, once))

    def history(self, tenant: str, model: str, limit: int, cursor: str | None) -> Listing[HistoryEntry]:
        """A page of a model's decisions, newest first."""
        partition = keys.deployment(tenant, model).pk
        return self._table.page(
            partition, HistoryEntry, prefix="HISTORY#", limit=limit, cursor=cursor, newest_first=True
        )


def unknown_model(name: str) -> NotFound:
    """The error for a name of no model, in OpenAI's words; `name:number` names a version."""
    display_name = ":".join(map(safe_name, name.split(":", 1)))
    return NotFound(f"The model `{display_name}` does not exist.", param="model", code="model_not_found")


def version_writes(model: Model, version: Version, now: datetime) -> list[Write]:
    """The writes that add a version: the model's counter, the version, and the event that goes with its status."""
    numbered = model.model_copy(update={"latest_version": version.number})
    writes: list[Write] = [ConditionalPut(keys.model(model.tenant, model.id), numbered), _version_write(version)]
    if version.status == VersionStatus.VERIFYING:
        return [*writes, _verification_event(version, now)]
    return [*writes, _ready_event(version, now)] if version.status == VersionStatus.READY else writes


def _version_write(version: Version) -> ConditionalPut:
    key = keys.version(version.tenant, version.model, version.number)
    return ConditionalPut(key, version, keys.swept(keys.OPEN_VERSIONS, version.created_at) if version.is_open else {})


def _verification_event(version: Version, now: datetime) -> EmitEvent:
    event = VersionVerificationRequested(tenant=version.tenant, model=version.model, version=version.number)
    return EmitEvent(event, version.seq + 1, now)


def _ready_event(version: Version, now: datetime) -> EmitEvent:
    event: AnyEvent = VersionReady(
        tenant=version.tenant,
        model=version.model,
        version=version.number,
        dataset=version.dataset,
        export=version.export,
    )
    return EmitEvent(event, 1, now)
