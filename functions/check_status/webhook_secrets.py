"""The secrets that webhooks are signed with, each read from SSM when it is first asked for and kept for a minute.

Anybody may send a webhook for any name, so only the secrets of providers that the stage knows are read: which those are
is listed at most once a minute, and a name that nobody has given costs nothing beyond that.
"""

from collections.abc import Callable
from time import monotonic

from tuneloop.providers.registry import KnownProviders

KEPT_S = 60.0  # how long a changed secret or a new provider may go unseen; the providers themselves are kept as long


class WebhookSecrets:
    """Webhook secrets by provider; `read` gives one of a known provider, or None where there is none."""

    def __init__(self, known: Callable[[], KnownProviders], read: Callable[[str], str | None]) -> None:
        self._known = known
        self._read = read
        self._kept: dict[str, tuple[float, str | None]] = {}  # of known providers alone, so no larger than their list
        self._listed: tuple[float, frozenset[str]] | None = None

    def of(self, provider: str) -> str | None:
        """The secret of a provider's webhooks, None where there is none or the stage knows no such provider."""
        if not self._is_known(provider):
            return None
        if (kept := self._kept.get(provider)) and monotonic() - kept[0] < KEPT_S:
            return kept[1]
        self._kept[provider] = monotonic(), self._read(provider)
        return self._kept[provider][1]

    def forget(self) -> None:
        """List the providers and read every secret anew."""
        self._kept.clear()
        self._listed = None

    def _is_known(self, provider: str) -> bool:
        known = self._known()
        if provider == known.default:  # needs no look at the table
            return True
        if self._listed is None or monotonic() - self._listed[0] >= KEPT_S:
            self._listed = monotonic(), frozenset(known.names())
        return provider in self._listed[1]
