"""Sunsets: once a day, providers are asked for the shutdown dates of their models, and affected versions are announced.

The mark on the version and the event are one write, so daily runs that repeat or overlap announce nothing twice.
"""

from dataclasses import dataclass
from datetime import datetime

from tuneloop.domain.chat.examples import Split
from tuneloop.domain.core.errors import ProviderRefused, ProviderUnavailable, Stale
from tuneloop.domain.events import ModelSunsetApproaching
from tuneloop.domain.serving.models import Deployment, Model, SunsetMark, Version
from tuneloop.domain.serving.sunset import Shutdowns, due_mark, shutdown_of, versions_in_use
from tuneloop.domain.training.estimates import UNKNOWN_PRICE, Basis, UsdRange, estimate
from tuneloop.domain.training.model_offers import Successor
from tuneloop.observability import count, log_failure
from tuneloop.providers.catalog import price_of
from tuneloop.providers.registry import Providers
from tuneloop.runtime.best_effort import for_each
from tuneloop.store.repositories.exports import Exports
from tuneloop.store.repositories.models import Models
from tuneloop.store.repositories.providers import ProviderRows
from tuneloop.store.repositories.tenants import Tenants

NO_SUCCESSOR = "No successor is known: choose a base model of another provider."
NO_EXPORT = "The version was registered by hand: there is no export to train again."


@dataclass(frozen=True)
class Sunsets:
    """Announces versions whose models a provider is about to shut down, as of `now`."""

    providers: Providers
    tenants: Tenants
    models: Models
    exports: Exports
    rows: ProviderRows
    now: datetime

    def refresh_and_announce(self) -> None:
        """Ask each provider for its shutdown dates, then announce those that are near."""
        for_each(self.providers.names(), self._refresh)
        self.announce()

    def announce(self) -> None:
        """Announce the shutdown of every version in use, once for each threshold of days left."""
        shutdowns = self.rows.shutdowns()
        for_each(
            self.tenants.all(),
            lambda tenant: for_each(self.models.all(tenant.id), lambda model: self._announce_model(model, shutdowns)),
        )

    def _refresh(self, name: str) -> None:
        """Store a provider's shutdown dates; if it is unavailable or refuses, the dates stored last remain."""
        try:
            models = self.providers.get(name).models()
            ends = {model.id: model.shutdown_date for model in models if model.shutdown_date}
        except (ProviderRefused, ProviderUnavailable) as error:
            log_failure(error)
            return
        self.rows.save_shutdowns(Shutdowns(provider=name, models=ends, read_at=self.now))

    def _announce_model(self, model: Model, shutdowns: dict[str, Shutdowns]) -> None:
        deployment = self.models.deployment(model.tenant, model.id)
        for version in self._in_use(model, deployment):
            offer = price_of(version.provider, version.base_model)
            names = (version.provider_model, version.base_model)
            end = shutdown_of(names, offer, shutdowns.get(version.provider))
            mark = due_mark(version, end, self.now.date())
            if mark:
                self._announce(version, mark, offer.successor if offer else None)

    def _in_use(self, model: Model, deployment: Deployment) -> list[Version]:
        versions = (
            self.models.version(model.tenant, model.id, number) for number in versions_in_use(model, deployment)
        )
        return [version for version in versions if version.can_answer]

    def _announce(self, version: Version, mark: SunsetMark, successor: Successor | None) -> None:
        """Store a version's mark and its event, with the estimated cost of training the successor; count it."""
        cost, note = self._estimate(version, successor)
        event = ModelSunsetApproaching(
            tenant=version.tenant,
            model=version.model,
            version=version.number,
            provider=version.provider,
            base_model=version.base_model,
            shutdown_date=mark.shutdown_date,
            days_left=(mark.shutdown_date - self.now.date()).days,
            threshold=mark.threshold,
            dataset=version.dataset,
            export=version.export,
            successor=successor,
            estimate=cost,
            estimate_note=note,
        )
        try:
            self.models.announce_sunset(version.model_copy(update={"sunset": mark}), event, self.now)
        except Stale:  # it was announced already, or is being changed: the next daily run tries again
            return
        count("SunsetsTold")

    def _estimate(self, version: Version, successor: Successor | None) -> tuple[UsdRange | None, str | None]:
        """The cost of training the version's export on the successor, or None and the reason why it isn't known."""
        if successor is None:
            return None, NO_SUCCESSOR
        if not (version.dataset and version.export):
            return None, NO_EXPORT
        if (export := self.exports.find(version.tenant, version.dataset, version.export)) is None:
            return None, NO_EXPORT
        offer = price_of(successor.provider, successor.base_model)
        train, test = export.files[Split.TRAIN], export.files[Split.TEST]
        basis = Basis(train.examples, train.tokens, test.examples, export.answer_tokens, images=train.images)
        cost = estimate(successor.base_model, offer, basis).estimated_cost_usd
        return cost, None if cost else (offer and offer.price_note) or UNKNOWN_PRICE
