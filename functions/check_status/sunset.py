"""Sunsets: once a day, providers are asked what they will shut down, and whoever would miss a version is told.

Mark and event are one write, so that a day that is repeated, or two that overlap, tell nothing twice.
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
    """One day's look at models that providers are about to shut down."""

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
        """Announce the end of every version that somebody would miss, once for each threshold."""
        shutdowns = self.rows.shutdowns()
        for_each(
            self.tenants.all(),
            lambda tenant: for_each(self.models.all(tenant.id), lambda model: self._announce_of(model, shutdowns)),
        )

    def _refresh(self, name: str) -> None:
        """Store a provider's shutdown dates; one that can't be asked keeps those that it gave last."""
        try:
            models = self.providers.get(name).models()
            ends = {model.id: model.shutdown_date for model in models if model.shutdown_date}
        except (ProviderRefused, ProviderUnavailable) as error:
            log_failure(error)
            return
        self.rows.save_shutdowns(Shutdowns(provider=name, models=ends, read_at=self.now))

    def _announce_of(self, model: Model, shutdowns: dict[str, Shutdowns]) -> None:
        deployment = self.models.deployment(model.tenant, model.id)
        for version in self._in_use(model, deployment):
            offer = price_of(version.provider, version.base_model)
            names = (version.provider_model, version.base_model)
            end = shutdown_of(names, offer, shutdowns.get(version.provider))
            news = due_mark(version, end, self.now.date())
            if news:
                self._announce(version, news, offer.successor if offer else None)

    def _in_use(self, model: Model, deployment: Deployment) -> list[Version]:
        versions = (
            self.models.version(model.tenant, model.id, number) for number in versions_in_use(model, deployment)
        )
        return [version for version in versions if version.can_answer]

    def _announce(self, version: Version, news: SunsetMark, successor: Successor | None) -> None:
        cost, note = self._estimate(version, successor)
        event = ModelSunsetApproaching(
            tenant=version.tenant,
            model=version.model,
            version=version.number,
            provider=version.provider,
            base_model=version.base_model,
            shutdown_date=news.shutdown_date,
            days_left=(news.shutdown_date - self.now.date()).days,
            threshold=news.threshold,
            dataset=version.dataset,
            export=version.export,
            successor=successor,
            estimate=cost,
            estimate_note=note,
        )
        try:
            self.models.announce_sunset(version.model_copy(update={"sunset": news}), event, self.now)
        except Stale:  # it was announced already, or is being changed: the next day looks again
            return
        count("SunsetsTold")

    def _estimate(self, version: Version, successor: Successor | None) -> tuple[UsdRange | None, str | None]:
        """What training the version's export at the successor would cost, or why that isn't known."""
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
