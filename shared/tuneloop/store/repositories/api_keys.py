"""Tenants and keys as an operator makes them, with AWS credentials and nothing on the wire."""

import secrets
from datetime import datetime
from typing import NamedTuple

from tuneloop.domain.core.access import KEY_PREFIX, ApiKey, Scope, key_hash
from tuneloop.domain.core.ids import checked_name
from tuneloop.store.repositories.tenants import Tenants


class NewKey(NamedTuple):
    """A key with its secret, which is shown once and kept nowhere."""

    key: ApiKey
    secret: str


def create_key(tenant: str, scopes: frozenset[Scope], *, tenants: Tenants, now: datetime) -> NewKey:
    """Make a key for a tenant, and the tenant if there is none of that name; InvalidInput for a name that can't be."""
    checked_name(tenant, "tenant")
    tenants.ensure(tenant, now)
    secret = KEY_PREFIX + secrets.token_urlsafe(32)  # 256 random bits: nobody can guess a secret or find one by hash
    hashed = key_hash(secret)
    key = ApiKey(id=f"key-{hashed[:12]}", tenant=tenant, hash=hashed, scopes=scopes, created_at=now)
    tenants.add_key(key)
    return NewKey(key, secret)
