"""Access: tenants, API keys and their scopes.

An API key is shown once, when it is made; the table keeps its SHA-256. A request's tenant is the tenant of its key, and
is taken from nowhere else.
"""

import hashlib
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel

from tuneloop.domain.core.errors import Forbidden
from tuneloop.domain.core.ids import Name

KEY_PREFIX = "tl_"


class Scope(StrEnum):
    """One kind of call that an API key allows."""

    COLLECT = "collect"
    TRAIN = "train"
    DEPLOY = "deploy"
    INFER = "infer"
    READ = "read"


class Tenant(BaseModel):
    """The isolation boundary: every key, row and object belongs to exactly one."""

    id: Name
    created_at: datetime


class ApiKey(BaseModel):
    """One key of a tenant, without the secret itself."""

    id: Name
    tenant: Name
    hash: str
    scopes: frozenset[Scope]
    created_at: datetime
    revoked_at: datetime | None = None
    seq: int = 0

    def require(self, scope: Scope) -> None:
        """Raise Forbidden unless the key has the scope."""
        if scope not in self.scopes:
            held = ", ".join(sorted(self.scopes)) or "none"
            raise Forbidden(f"This key lacks the scope `{scope}` (it has: {held}).")


def key_hash(secret: str) -> str:
    """SHA-256 in hex of the whole key, prefix included.

    No salt and no slow hash: a key is random, not a password, and every request looks it up by this hash.
    """
    return hashlib.sha256(secret.encode()).hexdigest()
