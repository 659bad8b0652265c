"""Registered providers' rows: they are the operator's, not a tenant's, and hold settings and names of secrets only."""

from collections.abc import Iterator

from tuneloop.domain.serving.sunset import Shutdowns
from tuneloop.domain.training.providers import RegisteredProvider
from tuneloop.store import keys
from tuneloop.store.dynamodb import ConditionalDelete, ConditionalPut, Put, Table


class ProviderRows:
    """The providers that were added to a stage."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def find(self, name: str) -> RegisteredProvider | None:
        """The provider of that name, if it was added."""
        return self._table.get(keys.provider(name), RegisteredProvider)

    def all(self) -> Iterator[RegisteredProvider]:
        """Every provider that was added, by name."""
        return self._table.all(keys.PROVIDERS, RegisteredProvider)

    def save(self, provider: RegisteredProvider) -> None:
        """Store a provider's settings; Stale where they have changed since they were read."""
        self._table.commit(ConditionalPut(keys.provider(provider.name), provider))

    def shutdowns(self) -> dict[str, Shutdowns]:
        """The shutdown dates that each provider gave last, by its name."""
        return {shutdowns.provider: shutdowns for shutdowns in self._table.all(keys.SHUTDOWNS, Shutdowns)}

    def save_shutdowns(self, shutdowns: Shutdowns) -> None:
        """Store the shutdown dates that a provider gives now, in place of its earlier ones."""
        self._table.commit(Put(keys.shutdowns(shutdowns.provider), shutdowns))

    def remove(self, name: str) -> None:
        """Delete a provider's settings; Stale where there is none of that name."""
        self._table.commit(ConditionalDelete(keys.provider(name)))
