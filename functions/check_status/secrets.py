"""The secrets that webhooks are signed with, each read from SSM when it is first asked for and kept for a minute.

That there is none is kept too, so that whoever sends nonsense doesn't have SSM asked for each piece of it.
"""

from collections.abc import Callable
from time import monotonic

KEPT_S = 60.0
MOST_KEPT = 100


class Secrets:
    """Webhook secrets by provider; `read` gives one, or None where there is none."""

    def __init__(self, read: Callable[[str], str | None]) -> None:
        self._read = read
        self._kept: dict[str, tuple[float, str | None]] = {}

    def of(self, provider: str) -> str | None:
        """The secret of a provider's webhooks."""
        if (kept := self._kept.get(provider)) and monotonic() - kept[0] < KEPT_S:
            return kept[1]
        if len(self._kept) >= MOST_KEPT:
            self._kept.clear()
        self._kept[provider] = monotonic(), self._read(provider)
        return self._kept[provider][1]

    def forget(self) -> None:
        """Read every secret anew."""
        self._kept.clear()
