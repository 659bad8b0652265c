"""Whether a server has a model: what servers of every kind answer when they are asked, and what that is worth."""

from json import dumps
from typing import Any

import pytest

from tests.unit.providers.server import Play, Server
from tuneloop.domain.core.errors import ProviderUnavailable
from tuneloop.domain.training.providers import RegisteredProvider
from tuneloop.providers.openai.adapter import OpenAICompatible
from tuneloop.providers.port import KEY_REFUSED

MODEL = "ft:gpt-4o-2024-08-06:acme::abc123"
NO_SUCH = {"error": {"message": "no such model", "code": "model_not_found", "type": "invalid_request_error"}}
PAGE = b"<html>Not Found</html>"


def found(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 1, "owned_by": "acme"}


def listed(*names: str, **more: Any) -> dict[str, Any]:
    return {"object": "list", "data": [found(name) for name in names], **more}


def json(body: Any, status: int = 200) -> Play:
    return Play(dumps(body).encode(), status=status)


MISSING = json(NO_SUCH, 404)
NO_ROUTE = json({"detail": "Not Found"}, 404)
HTML = Play(PAGE, 404, kind="text/html")
ANY_PAGE = Play(b"<html>Welcome</html>", kind="text/html")
NOT_ALLOWED, NOT_THERE = json(NO_SUCH, 405), json(NO_SUCH, 501)
FORBIDDEN = json(NO_SUCH, 403)
OTHERS = json(listed("gpt-4o-2024-08-06", "other"))
WITH_IT = json(listed("base", MODEL))


@pytest.mark.parametrize(
    ("plays", "verdict"),
    [
        pytest.param([json(found(MODEL))], True, id="retrieved"),
        pytest.param([MISSING, OTHERS], False, id="neither retrieved nor listed"),
        pytest.param([NO_ROUTE, WITH_IT], True, id="an adapter of a server without the route"),
        pytest.param([NO_ROUTE, OTHERS], False, id="mistyped at a server without the route"),
        pytest.param([HTML, WITH_IT], True, id="a proxy's own page, and a list"),
        pytest.param([HTML, HTML], None, id="a server that keeps no list"),
        pytest.param([NO_ROUTE, NOT_ALLOWED], None, id="a list that is not allowed"),
        pytest.param([NOT_THERE, NOT_THERE], None, id="not implemented"),
        pytest.param([NOT_THERE, WITH_IT], True, id="retrieving is not implemented, listing is"),
        pytest.param([ANY_PAGE, ANY_PAGE], None, id="a page for every path"),
        pytest.param([MISSING, json(listed())], None, id="an empty list"),
        pytest.param([MISSING, json(listed("other", has_more=True))], None, id="a part of a list"),
        pytest.param([MISSING, json(listed(MODEL, has_more=True))], True, id="in a part of a list"),
        pytest.param([MISSING, json({"data": "none"})], None, id="a list without rows"),
        pytest.param([MISSING, json({"object": "list", "data": [{"name": "x"}, 7]})], False, id="rows without ids"),
        pytest.param([json(found("gpt-4o-2024-08-06")), OTHERS], None, id="found under another id"),
        pytest.param([json(found("base")), WITH_IT], True, id="found under another id, and listed"),
        pytest.param([json({"object": "model"}), OTHERS], False, id="found without an id"),
        pytest.param([FORBIDDEN, WITH_IT], True, id="a key that may list and not look"),
        pytest.param([FORBIDDEN, OTHERS], False, id="a key that may list and not look, mistyped"),
        pytest.param([json(NO_SUCH, 400), OTHERS], False, id="an id that the server can't even read"),
    ],
)
def test_a_server_s_word_is_worth_what_it_knows(
    plays: list[Play], verdict: bool | None, server: Server, provider: OpenAICompatible
) -> None:
    server.plays_next(*plays)

    assert provider.has_model(MODEL, 5) is verdict
    assert {one.method for one in server.asked} == {"GET"}
    assert [one.path for one in server.asked] == [
        "/v1/models/ft%3Agpt-4o-2024-08-06%3Aacme%3A%3Aabc123",
        "/v1/models",
    ][: len(server.asked)]


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
@pytest.mark.parametrize("before", [[], [MISSING]], ids=["at once", "at the list"])
def test_a_server_that_is_away_says_nothing_yet(
    before: list[Play], status: int, server: Server, provider: OpenAICompatible
) -> None:
    server.plays_next(*before, json(NO_SUCH, status))

    with pytest.raises(ProviderUnavailable, match="can't answer now"):
        provider.has_model(MODEL, 5)


@pytest.mark.parametrize(
    "plays", [[json(NO_SUCH, 401)], [FORBIDDEN, FORBIDDEN], [MISSING, json(NO_SUCH, 401)]], ids=str
)
def test_a_key_that_is_not_taken_is_told_as_such(plays: list[Play], server: Server, provider: OpenAICompatible) -> None:
    server.plays_next(*plays)

    with pytest.raises(ProviderUnavailable) as told:
        provider.has_model(MODEL, 5)

    assert told.value.code == KEY_REFUSED


def test_both_calls_share_the_time(server: Server, provider: OpenAICompatible) -> None:
    server.plays_next(Play(b"{}" + b" " * 1000, drips="body"))

    with pytest.raises(ProviderUnavailable):
        provider.has_model(MODEL, 0.2)


@pytest.mark.parametrize("name", ["a/b", "..", "a?b#c", "with space", "größe"])
def test_an_id_cannot_lead_to_another_path(name: str, server: Server, provider: OpenAICompatible) -> None:
    server.plays_next(MISSING, OTHERS)

    assert provider.has_model(name, 5) is False
    assert all(one.path.startswith("/v1/models") or one.path in ("/v1", "/v1/") for one in server.asked)


@pytest.mark.parametrize(
    "host", ["acme.openai.azure.com", "acme.services.ai.azure.com", "acme.openai.azure.us", "acme.openai.azure.cn"]
)
def test_on_azure_a_deployment_stands_in_no_list(host: str) -> None:
    azure = OpenAICompatible(RegisteredProvider(name="azure", base_url=f"https://{host}/openai/v1"), lambda: "key")

    assert azure.has_model("my-deployment", 5) is None
