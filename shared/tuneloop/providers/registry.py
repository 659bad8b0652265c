"""The directory: every provider that a stage knows, by name, each made when it is first needed.

The one that the stage was deployed with comes from its settings, the others from rows; a row is looked at anew once a
minute, so that a provider that was changed is reached as it is now.
"""

from collections.abc import Callable, Iterable
from time import monotonic

from tuneloop.domain.training.providers import RegisteredProvider, unknown_provider
from tuneloop.providers.model_lists import ModelLists
from tuneloop.providers.port import Provider

KEPT_S = 60.0
Find = Callable[[str], RegisteredProvider | None]
Make = Callable[[RegisteredProvider], Provider]
Names = Callable[[], Iterable[str]]


class Providers:
    """Providers by name; `default` is the stage's own, `lists` remembers what each of them lists."""

    def __init__(self, own: RegisteredProvider, find: Find, make: Make, names: Names = tuple) -> None:
        self.default = own.name
        self.lists = ModelLists()
        self._own = own
        self._find = find
        self._make = make
        self._all = names
        self._made: dict[str, tuple[Provider, RegisteredProvider, float]] = {}

    def named(self, name: str) -> Provider:
        """The provider of that name; Conflict where the stage knows none."""
        made = self._made.get(name)
        if made and (name == self.default or monotonic() - made[2] < KEPT_S):
            return made[0]
        known = self.registered(name)
        provider = made[0] if made and made[1] == known else self._make(known)
        self._made[name] = provider, known, monotonic()
        return provider

    def close(self) -> None:
        """Let go of what the providers hold open; whoever is needed afterwards is made anew."""
        for provider, *_ in self._made.values():
            provider.close()
        self._made.clear()

    def registered(self, name: str) -> RegisteredProvider:
        """How to reach a provider; Conflict where the stage knows none of that name."""
        found = self._own if name == self.default else self._find(name)
        if found is None:
            raise unknown_provider(name, self.names())
        return found

    def names(self) -> list[str]:
        """Every provider that the stage knows."""
        return sorted({self.default, *self._all()})
