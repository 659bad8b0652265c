"""Making keys: shown once, stored as a hash, for a tenant that comes with its first key."""

import pytest

from tests.unit.factories import NOW
from tests.world import TABLE
from tuneloop.app import App
from tuneloop.domain.core.access import Scope, key_hash
from tuneloop.domain.core.errors import InvalidInput
from tuneloop.store.repositories.api_keys import create_key

ALL = frozenset(Scope)


def test_a_key_comes_with_its_secret_and_its_tenant(app: App) -> None:
    made = create_key("acme", ALL, tenants=app.tenants, now=NOW)

    assert made.secret.startswith("tl_")
    assert app.tenants.exists("acme")
    assert app.tenants.key(key_hash(made.secret)) == made.key.model_copy(update={"seq": 1})
    assert [key.id for key in app.tenants.keys_of("acme")] == [made.key.id]


def test_the_secret_is_kept_nowhere(app: App) -> None:
    made = create_key("acme", ALL, tenants=app.tenants, now=NOW)

    rows = app.table.client.scan(TableName=TABLE)["Items"]

    assert rows
    assert made.secret not in str(rows)
    assert made.secret.removeprefix("tl_") not in str(rows)


def test_no_two_keys_are_the_same(app: App) -> None:
    keys = [create_key("acme", ALL, tenants=app.tenants, now=NOW) for _ in range(5)]

    assert len({made.secret for made in keys}) == len({made.key.id for made in keys}) == 5
    assert all(len(made.secret) >= 43 for made in keys)


def test_a_key_has_the_scopes_that_were_asked_for_and_no_more(app: App) -> None:
    made = create_key("acme", frozenset({Scope.READ}), tenants=app.tenants, now=NOW)

    stored = app.tenants.key(made.key.hash)

    assert stored is not None
    assert stored.scopes == {Scope.READ}


@pytest.mark.parametrize("tenant", ["", "Acme", "a#b", "acme\n", "a" * 64])
def test_a_tenant_needs_a_name_that_can_be_part_of_a_key(app: App, tenant: str) -> None:
    with pytest.raises(InvalidInput, match="tenant must be 1-63 lower-case letters"):
        create_key(tenant, ALL, tenants=app.tenants, now=NOW)

    assert list(app.tenants.all()) == []
