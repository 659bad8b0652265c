"""The secrets that webhooks are signed with, each read from SSM when it is first needed and cached for a minute.

Anybody may send a webhook for any provider's name, so only secrets of registered providers are read. Those are listed
at most once a minute, so that made-up names cause no further calls.
"""

from collections.abc import Callable
from time import monotonic

from tuneloop.providers.registry import ProviderNames

# Seconds for which a changed secret or a new provider may go unnoticed, as long as the registry caches providers.
CACHE_S = 60.0


class WebhookSecrets:
    """A cache of webhook secrets by provider; `read` reads the secret of a registered provider, None if it has none."""

    def __init__(self, providers: Callable[[], ProviderNames], read: Callable[[str], str | None]) -> None:
        self._providers = providers
        self._read = read
        # When each secret was read, and the secret. Only registered providers get in, which bounds the size.
        self._secrets: dict[str, tuple[float, str | None]] = {}
        self._names: tuple[float, frozenset[str]] | None = None  # when the registered providers were listed, and they

    def of(self, provider: str) -> str | None:
        """The secret of a provider's webhooks; None if it has none, or if no such provider is registered."""
        if not self._is_registered(provider):
            return None
        if (cached := self._secrets.get(provider)) and monotonic() - cached[0] < CACHE_S:
            return cached[1]
        self._secrets[provider] = monotonic(), self._read(provider)
        return self._secrets[provider][1]

    def forget(self) -> None:
        """Empty the cache: providers are listed and secrets read again when they are next needed."""
        self._secrets.clear()
        self._names = None

    def _is_registered(self, provider: str) -> bool:
        providers = self._providers()
        if provider == providers.default:  # comes from the settings, so the table needn't be read
            return True
        if self._names is None or monotonic() - self._names[0] >= CACHE_S:
            self._names = monotonic(), frozenset(providers.names())
        return provider in self._names[1]
