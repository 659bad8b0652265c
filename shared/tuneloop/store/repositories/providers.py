"""Registered providers: the operator's, not a tenant's; their rows hold settings and the names of secrets only."""

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
        """What each provider has last said of the ends of its models."""
        return {said.provider: said for said in self._table.all(keys.SHUTDOWNS, Shutdowns)}

    def say(self, said: Shutdowns) -> None:
        """Store what a provider says of the ends of its models, in place of what it said before."""
        self._table.commit(Put(keys.shutdowns(said.provider), said))

    def remove(self, name: str) -> None:
        """Forget a provider; Stale where there is none of that name."""
        self._table.commit(ConditionalDelete(keys.provider(name)))
