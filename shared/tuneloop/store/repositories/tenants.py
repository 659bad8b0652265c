"""Tenants and their API keys: found by the hash of the secret, listed and revoked by a public id."""

from collections.abc import Iterator
from datetime import datetime

from tuneloop.domain.core.access import ApiKey, Tenant
from tuneloop.domain.core.errors import NotFound, Stale
from tuneloop.store import keys
from tuneloop.store.dynamodb import ConditionalPut, Table


class Tenants:
    """The registry of tenants, and the keys of each."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def exists(self, tenant: str) -> bool:
        """Whether there is such a tenant."""
        return self._table.get(keys.tenant(tenant), Tenant) is not None

    def all(self) -> Iterator[Tenant]:
        """Every tenant, by id."""
        return self._table.all(keys.TENANTS, Tenant)

    def ensure(self, tenant: str, now: datetime) -> None:
        """Make the tenant unless it exists."""
        if not self.exists(tenant):
            try:
                self._table.commit(ConditionalPut(keys.tenant(tenant), Tenant(id=tenant, created_at=now)))
            except Stale:  # somebody else has made it in between, which is as good
                return

    def key(self, key_hash: str) -> ApiKey | None:
        """The key whose secret has this SHA-256, revoked ones included."""
        return self._table.get(keys.api_key(key_hash), ApiKey)

    def keys_of(self, tenant: str) -> Iterator[ApiKey]:
        """The tenant's keys."""
        return self._table.all(f"T#{tenant}#KEYS", ApiKey)

    def add_key(self, key: ApiKey) -> None:
        """Store a new key under its hash and under its id."""
        self._table.commit(
            ConditionalPut(keys.api_key(key.hash), key), ConditionalPut(keys.tenant_key(key.tenant, key.id), key)
        )

    def revoke_key(self, tenant: str, key_id: str, now: datetime) -> ApiKey:
        """Mark the key as revoked in both of its rows; NotFound where there is none of that id."""
        key = self._table.get(keys.tenant_key(tenant, key_id), ApiKey)
        if key is None:
            raise NotFound(f"Tenant {tenant} has no key {key_id}.", param="key")
        revoked = key.model_copy(update={"revoked_at": key.revoked_at or now})
        self._table.commit(
            ConditionalPut(keys.api_key(key.hash), revoked), ConditionalPut(keys.tenant_key(tenant, key_id), revoked)
        )
        return revoked
