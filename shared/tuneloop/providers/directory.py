"""The directory: every provider that a stage knows, by name, each made when it is first needed.

The one that the stage was deployed with comes from its settings, the others from rows; a row is looked at anew once a
minute, so that a provider that was changed is reached as it is now.
"""

from collections.abc import Callable
from time import monotonic

from tuneloop.domain.errors import Conflict
from tuneloop.domain.providers import RegisteredProvider
from tuneloop.providers.base import Provider

KEPT_S = 60.0
Find = Callable[[str], RegisteredProvider | None]
Make = Callable[[RegisteredProvider], Provider]


class Providers:
    """Providers by name; `default` is the stage's own."""

    def __init__(self, own: RegisteredProvider, find: Find, make: Make) -> None:
        self.default = own.name
        self._own = own
        self._find = find
        self._make = make
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
            message = f"There is no provider {name}: `tuneloop providers add {name}` makes it known to this stage."
            raise Conflict(message, param="provider", code="unknown_provider")
        return found
