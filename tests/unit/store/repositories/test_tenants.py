"""Tenants and their keys: found by the hash, revoked by the id, and never another's."""

import pytest

from tests.unit.factories import NOW, SECOND
from tuneloop.app import App
from tuneloop.domain.core.access import ApiKey, Scope
from tuneloop.domain.core.errors import NotFound, Stale


def a_key(name: str = "key-1", tenant: str = "acme") -> ApiKey:
    return ApiKey(id=name, tenant=tenant, hash=f"hash-{name}", scopes=frozenset(Scope), created_at=NOW)


def test_a_tenant_is_made_once(app: App) -> None:
    app.tenants.ensure("acme", NOW)
    app.tenants.ensure("acme", NOW + SECOND)

    [tenant] = app.tenants.all()
    assert (tenant.id, tenant.created_at) == ("acme", NOW)
    assert app.tenants.exists("acme")
    assert not app.tenants.exists("initech")


def test_who_loses_the_race_to_make_a_tenant_has_it_all_the_same(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    app.tenants.ensure("acme", NOW)
    monkeypatch.setattr(app.tenants, "exists", lambda _: False)  # as it looked before the other one was done

    app.tenants.ensure("acme", NOW + SECOND)

    assert [tenant.created_at for tenant in app.tenants.all()] == [NOW]


def test_tenants_are_walked_by_name(app: App) -> None:
    for tenant in ("initech", "acme"):
        app.tenants.ensure(tenant, NOW)

    assert [tenant.id for tenant in app.tenants.all()] == ["acme", "initech"]


def test_a_key_is_found_by_its_hash(app: App) -> None:
    app.tenants.add_key(a_key())

    found = app.tenants.key("hash-key-1")

    assert found == a_key().model_copy(update={"seq": 1})
    assert app.tenants.key("hash-key-2") is None


def test_a_hash_belongs_to_one_key(app: App) -> None:
    app.tenants.add_key(a_key())

    with pytest.raises(Stale):
        app.tenants.add_key(a_key("key-2").model_copy(update={"hash": "hash-key-1"}))

    assert [key.id for key in app.tenants.keys_of("acme")] == ["key-1"]


def test_keys_are_listed_to_their_tenant_alone(app: App) -> None:
    app.tenants.add_key(a_key("key-1"))
    app.tenants.add_key(a_key("key-2", tenant="initech"))

    assert [key.id for key in app.tenants.keys_of("acme")] == ["key-1"]
    assert [key.id for key in app.tenants.keys_of("initech")] == ["key-2"]


def test_a_revoked_key_is_revoked_wherever_it_is_found(app: App) -> None:
    app.tenants.add_key(a_key("key-1"))
    app.tenants.add_key(a_key("key-2"))

    revoked = app.tenants.revoke_key("acme", "key-1", NOW + SECOND)

    by_hash = app.tenants.key("hash-key-1")
    assert by_hash is not None
    assert revoked.revoked_at == by_hash.revoked_at == NOW + SECOND
    assert [key.revoked_at for key in app.tenants.keys_of("acme")] == [NOW + SECOND, None]


def test_revoking_again_keeps_the_first_time(app: App) -> None:
    app.tenants.add_key(a_key())
    app.tenants.revoke_key("acme", "key-1", NOW)

    assert app.tenants.revoke_key("acme", "key-1", NOW + SECOND).revoked_at == NOW


@pytest.mark.parametrize(("tenant", "key"), [("initech", "key-1"), ("acme", "key-2")])
def test_nobody_revokes_what_is_not_his(app: App, tenant: str, key: str) -> None:
    app.tenants.add_key(a_key())

    with pytest.raises(NotFound, match=f"Tenant {tenant} has no key {key}"):
        app.tenants.revoke_key(tenant, key, NOW)

    assert [each.revoked_at for each in app.tenants.keys_of("acme")] == [None]
