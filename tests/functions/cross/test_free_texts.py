"""Free texts in paths and queries: whatever can be stored can be named, through a front that decodes as AWS's does."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.examples import chat
from tests.functions.gateway import serve_gateway
from tests.functions.refusals import refused
from tests.world import Answer, World, http_event, invoke
from tuneloop.app import app
from tuneloop.domain.core.limits import SUBJECT_CHARACTERS
from tuneloop.domain.datasets.erasures import subject_hash

ERASE = "DELETE /v1/subjects/{subject}"
SUBJECTS = [
    "alice@example.com",
    "\U0001f600",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "J\u00fcrgen M\u00fcller",
    "\u5f20\u4f1f",
    "\u0634\u062e\u0635 \u0661\u0662",
    "\u202eltr",
    "e\u0301",
    "a/b",
    "/",
    "//",
    "a//b/",
    "../../v1/erasures",
    "100%",
    "100%25",
    "%2F",
    "%F0%9F%98%80",
    "%",
    "a+b",
    "a b",
    " a ",
    "a&b=c",
    "a?b#c",
    "a;b,c",
    '"quoted"',
    "o'neil",
    "back\\slash",
    "<script>",
    "{subject}",
    "{subject+}",
    "a\nb",
    "a\n",
    "\t",
    "a\x7fb",
    "x" * SUBJECT_CHARACTERS,
    "\U0001f600" * SUBJECT_CHARACTERS,
    "\ufffd",
]


@pytest.fixture
def client(world: World) -> Iterator[httpx2.Client]:
    headers = {"authorization": f"Bearer {world.key}"}
    with serve_gateway() as url, httpx2.Client(base_url=url, headers=headers) as made:
        yield made


@pytest.mark.parametrize("subject", SUBJECTS, ids=ascii)
def test_whoever_can_be_stored_can_be_erased_by_his_path(subject: str, world: World, client: httpx2.Client) -> None:
    world.call("POST /v1/datasets", "/v1/datasets", {"id": "support", "on_drop": "collect"})
    posted = {"examples": [chat("a", "b", subject=subject), chat("c", "d", subject="somebody else")]}
    assert world.call("POST /v1/datasets/{dataset}/examples", "/v1/datasets/support/examples", posted).status == 202
    world.settle()

    answer = client.delete(f"/subjects/{quote(subject, safe='')}")

    assert answer.status_code == 202, answer.text
    assert app.erasures.get(world.tenant, answer.json()["id"]).subject == subject_hash(world.tenant, subject)
    left = world.call("GET /v1/datasets/{dataset}/examples", "/v1/datasets/support/examples").body
    assert [listed["subject"] for listed in left["data"]] == ["somebody else"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(subject=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=SUBJECT_CHARACTERS))
def test_any_text_in_a_path_arrives_as_it_was(world: World, subject: str) -> None:
    encoded, decoded = quote(subject, safe=""), subject.replace("%", "%25")
    ways = [f"/v1/subjects/{encoded}"] + ([f"/v1/subjects/{decoded}"] if "/" not in subject else [])

    for path in ways:
        answer = world.call(ERASE, path)

        assert answer.status == 202, answer.text
        assert app.erasures.get(world.tenant, answer.body["id"]).subject == subject_hash(world.tenant, subject)


@pytest.mark.parametrize("path", ["%ff", "%ed%a0%80", "x" * (SUBJECT_CHARACTERS + 1)], ids=lambda path: path[:9])
def test_what_no_subject_can_be_is_told_by_its_name(path: str, world: World) -> None:
    refused(world.call(ERASE, f"/v1/subjects/{path}"), 422, param="subject")


def test_a_subject_that_its_route_did_not_get_is_told_not_to_be_erased(world: World) -> None:
    event = http_event("DELETE /v1/subjects/x", "/v1/subjects/a\nb", None, world.key, {}) | {"routeKey": "$default"}

    answer = invoke("complete-chat", event)

    assert answer["statusCode"] == 404
    assert "Nothing was erased: `POST /v1/erasures`" in answer["body"]


def test_no_subject_at_all_is_no_route(client: httpx2.Client) -> None:
    assert client.delete("/subjects/").json()["error"]["code"] == "unknown_url"


@pytest.mark.parametrize("path", ["/datasets/support%0A", "/models/support%0a", "/datasets/support%20", "/models%0A"])
def test_nothing_at_the_end_of_a_path_is_dropped(path: str, world: World, client: httpx2.Client) -> None:
    world.call("POST /v1/datasets", "/v1/datasets", {"id": "support"})

    answer = client.get(path)

    assert answer.status_code in (404, 422), answer.text


def test_free_texts_of_a_query_arrive_as_they_were(world: World, client: httpx2.Client) -> None:
    world.call("POST /v1/datasets", "/v1/datasets", {"id": "support", "on_drop": "collect"})
    texts = [text for text in SUBJECTS if text.strip() == text and len(text) <= 200]
    examples = [chat(f"question {place}", "b", category=text) for place, text in enumerate(texts)]
    path = "/v1/datasets/support/examples"
    assert world.call("POST /v1/datasets/{dataset}/examples", path, {"examples": examples}).status == 202
    world.settle()

    found = [client.get("/datasets/support/examples", params={"category": text}).json() for text in texts]
    routes = [client.get("/models/support/route", params={"user": text}).status_code for text in texts]

    assert [[example["category"] for example in one["data"]] for one in found] == [[text] for text in texts]
    assert set(routes) == {200}


BAD_AMOUNTS: list[Any] = ["-0", "1_0", "NaN", "1e5", " 5", "5 ", "+5", "", "\uff15", "05", "5.", ".5", "Infinity"]


@pytest.mark.parametrize("amount", [*BAD_AMOUNTS, True, -0.0, 1e-300, [5], {}, "5\n"], ids=repr)
def test_an_amount_is_a_number_or_its_plain_digits(amount: Any, world: World) -> None:
    answers: list[Answer] = [
        world.call("POST /v1/datasets", "/v1/datasets", {"id": "support", "max_run_usd": amount}),
        world.call("POST /v1/datasets", "/v1/datasets", {"id": "other"}),
        world.call("PATCH /v1/datasets/{dataset}", "/v1/datasets/other", {"max_run_usd": amount}),
    ]

    assert [answer.status for answer in answers] == [422, 201, 422]
    refused(answers[0], 422, param="max_run_usd")


@pytest.mark.parametrize(("amount", "kept"), [(5, 5), (0, 0), (12.5, 12.5), ("12.50", 12.5), (1e3, 1000), ("0", 0)])
def test_an_amount_is_kept_exactly(amount: Any, kept: float, world: World) -> None:
    answer = world.call("POST /v1/datasets", "/v1/datasets", {"id": "support", "max_run_usd": amount})

    assert (answer.status, answer.body["max_run_usd"]) == (201, kept)
