"""Authentication: a good key is looked up now and then, anything else is refused, and so is what can't be looked up."""

import time

import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.factories import NOW
from tuneloop.api.authentication import CACHED_S, MOST_CACHED, Authentication
from tuneloop.app import App
from tuneloop.domain.core.access import Scope, key_hash
from tuneloop.domain.core.errors import Unauthenticated
from tuneloop.store.repositories.api_keys import NewKey, create_key


class Clock:
    """A monotonic clock that a test sets."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock)
    return clock


@pytest.fixture
def made(app: App) -> NewKey:
    return create_key("acme", frozenset({Scope.READ}), tenants=app.tenants, now=NOW)


def bearer(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}


def revoke(app: App, made: NewKey) -> None:
    app.tenants.revoke_key("acme", made.key.id, NOW)


def test_a_good_key_tells_its_tenant_and_scopes(app: App, made: NewKey) -> None:
    key = Authentication(app).key_of(bearer(made.secret))

    assert (key.tenant, key.scopes, key.id) == ("acme", frozenset({Scope.READ}), made.key.id)


@pytest.mark.parametrize("shape", ["Bearer {}", "bearer {}", "BEARER {}", "Bearer {} "])
def test_the_scheme_may_be_written_in_any_case(app: App, made: NewKey, shape: str) -> None:
    assert Authentication(app).key_of({"authorization": shape.format(made.secret)}).tenant == "acme"


@pytest.mark.parametrize("shape", ["", "{}", "Bearer", "Bearer ", "Basic {}", "Bearer x{}", "Token {}", "Bearer,{}"])
def test_a_request_without_a_key_is_told_how_to_send_one(app: App, made: NewKey, shape: str) -> None:
    with pytest.raises(
        Unauthenticated, match=r"No API key of this service was given. Send `Authorization: Bearer tl_…`"
    ):
        Authentication(app).key_of({"authorization": shape.format(made.secret)})


@pytest.mark.parametrize("secret", ["tl_ü", "tl_\ud800", "tl_" + "x" * 10_000, "tl_a b", "tl_a\n", "tl_a,tl_b"])
def test_what_can_be_no_key_is_refused_without_a_look(app: App, secret: str) -> None:
    with Stubber(app.table.client), pytest.raises(Unauthenticated, match="unknown or revoked"):
        Authentication(app).key_of(bearer(f"{secret}x"))


def test_a_request_without_the_header_is_refused(app: App) -> None:
    with pytest.raises(Unauthenticated):
        Authentication(app).key_of({})


@pytest.mark.parametrize(
    "change", [lambda s: s[:-1], lambda s: s + "x", lambda s: s.upper(), lambda s: s.replace("tl_", "tl_ ")]
)
def test_a_key_that_is_nearly_right_is_unknown(app: App, made: NewKey, change: object) -> None:
    assert callable(change)
    nearly = change(made.secret)

    with pytest.raises(Unauthenticated) as refusal:
        Authentication(app).key_of(bearer(nearly))

    assert made.secret not in refusal.value.message
    assert nearly not in refusal.value.message


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=60))
def test_no_header_whatever_gets_in(app: App, header: str) -> None:
    for value in (header, f"Bearer {header}", f"Bearer tl_{header}"):
        with pytest.raises(Unauthenticated):
            Authentication(app).key_of({"authorization": value})


def test_the_hash_of_a_key_is_not_a_key(app: App, made: NewKey) -> None:
    for secret in (made.key.hash, f"tl_{made.key.hash}", made.key.id):
        with pytest.raises(Unauthenticated):
            Authentication(app).key_of(bearer(secret))


def test_a_revoked_key_is_refused(app: App, made: NewKey) -> None:
    revoke(app, made)

    with pytest.raises(Unauthenticated, match="unknown or revoked"):
        Authentication(app).key_of(bearer(made.secret))


def test_a_key_is_looked_up_once_in_thirty_seconds(app: App, made: NewKey, clock: Clock) -> None:
    authentication = Authentication(app)
    authentication.key_of(bearer(made.secret))
    revoke(app, made)

    clock.seconds += CACHED_S - 0.001
    assert authentication.key_of(bearer(made.secret)).tenant == "acme"

    clock.seconds += 0.001
    with pytest.raises(Unauthenticated):
        authentication.key_of(bearer(made.secret))
    assert CACHED_S <= 30


def test_a_new_process_knows_at_once_that_a_key_is_revoked(app: App, made: NewKey) -> None:
    Authentication(app).key_of(bearer(made.secret))
    revoke(app, made)

    with pytest.raises(Unauthenticated):
        Authentication(app).key_of(bearer(made.secret))


def test_a_revoked_key_stays_refused_while_it_is_remembered(app: App, made: NewKey, clock: Clock) -> None:
    revoke(app, made)
    authentication = Authentication(app)

    for _ in range(3):
        clock.seconds += CACHED_S / 2
        with pytest.raises(Unauthenticated):
            authentication.key_of(bearer(made.secret))


def test_a_key_that_was_unknown_a_moment_ago_works_as_soon_as_it_is_made(app: App) -> None:
    authentication = Authentication(app)
    secret = "tl_made-later"
    with pytest.raises(Unauthenticated):
        authentication.key_of(bearer(secret))

    made = create_key("acme", frozenset(), tenants=app.tenants, now=NOW)
    app.tenants.add_key(made.key.model_copy(update={"hash": key_hash(secret), "id": "key-later"}))

    assert authentication.key_of(bearer(secret)).id == "key-later"


def test_what_can_not_be_looked_up_does_not_get_in(app: App, made: NewKey, clock: Clock) -> None:
    authentication = Authentication(app)
    authentication.key_of(bearer(made.secret))
    clock.seconds += CACHED_S

    with Stubber(app.table.client) as stub:
        stub.add_client_error("get_item", "InternalServerError")
        with pytest.raises(ClientError):
            authentication.key_of(bearer(made.secret))


def test_the_memory_of_keys_is_bounded(app: App) -> None:
    authentication = Authentication(app)
    made = create_key("acme", frozenset(), tenants=app.tenants, now=NOW)
    authentication._cache = {f"hash-{number}": (time.monotonic(), made.key) for number in range(MOST_CACHED)}

    authentication.key_of(bearer(made.secret))

    assert len(authentication._cache) == 1
