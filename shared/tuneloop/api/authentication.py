"""Authentication: from the Authorization header to the key it names, looked up at most every 30 seconds.

It fails closed: what can't be looked up is refused. A revoked key may pass for as long as the cache keeps it. Secrets
are never compared: the table is asked for the SHA-256 of what was sent, so how long that takes says nothing about them.
"""

import re
import time
from typing import TYPE_CHECKING

from tuneloop.domain.core.access import KEY_PREFIX, ApiKey, key_hash
from tuneloop.domain.core.errors import Unauthenticated

if TYPE_CHECKING:
    from tuneloop.app import App

# Seconds for which a revoked key may still pass; a look at the table for each call would cost more than most calls.
CACHED_S = 30.0
# Keys in a process, which then are all looked up anew: bounds the memory, and only keys that exist are kept.
MOST_CACHED = 1000
KEY_FORMAT = re.compile(rf"{KEY_PREFIX}[A-Za-z0-9_-]{{1,100}}")  # anything else needs no look
EXPECTED = f"Send `Authorization: Bearer {KEY_PREFIX}…` with a key made by `tuneloop keys create`."


class Authentication:
    """Finds callers' keys."""

    def __init__(self, app: "App") -> None:
        self._app = app
        self._cache: dict[str, tuple[float, ApiKey]] = {}

    def key_of(self, headers: dict[str, str]) -> ApiKey:
        """The key in the request's headers (names in lower case), or Unauthenticated."""
        kind, _, secret = headers.get("authorization", "").strip().partition(" ")
        secret = secret.strip()
        if kind.lower() != "bearer" or not secret.startswith(KEY_PREFIX):
            raise Unauthenticated(f"No API key of this service was given. {EXPECTED}")
        key = self._lookup(key_hash(secret)) if KEY_FORMAT.fullmatch(secret) else None
        if key is None or key.revoked_at is not None:
            raise Unauthenticated(f"This API key is unknown or revoked. {EXPECTED}")
        return key

    def _lookup(self, hashed: str) -> ApiKey | None:
        looked_up, key = self._cache.get(hashed, (0.0, None))
        if key and time.monotonic() - looked_up < CACHED_S:
            return key
        if (stored := self._app.tenants.key(hashed)) is not None:
            if len(self._cache) >= MOST_CACHED:
                self._cache.clear()
            self._cache[hashed] = (time.monotonic(), stored)
        return stored
