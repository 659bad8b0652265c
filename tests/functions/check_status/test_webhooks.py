"""Webhooks from a provider: a hint to look at a run, taken from nobody but who knows the secret."""

import hmac
import json
from base64 import b64encode
from collections.abc import Iterator
from time import monotonic
from typing import Any

import pytest

from check_status.routes import secrets
from tests.functions import steps
from tests.functions.providers import CallCounter, ProviderOutage
from tests.functions.runs import launch_run, wait_for_job_end
from tests.world import Answer, World, http_event, invoke
from tuneloop.app import app, utc_now
from tuneloop.domain.training.providers import RegisteredProvider

ROUTE = "POST /v1/webhooks/{provider}"
KEY = b"a secret of thirty-two bytes !!!"
SECRET = f"whsec_{b64encode(KEY).decode()}"
PARAMETER = "/tuneloop/test/providers/trainer/webhook-secret"


@pytest.fixture(autouse=True)
def told(live: World) -> Iterator[None]:
    """A stage that knows its provider's secret."""
    live.ssm.put_parameter(Name=PARAMETER, Value=SECRET, Type="SecureString", Overwrite=True)
    secrets.forget()
    yield
    secrets.forget()


@pytest.fixture
def touched(live: World) -> Iterator[list[str]]:
    """The operations that DynamoDB was asked for since the list was last cleared."""
    asked: list[str] = []
    events = app.table.client.meta.events

    def note(model: Any, **_: Any) -> None:
        asked.append(model.name)

    assert live.tenant
    events.register("before-call.dynamodb", note)
    yield asked
    events.unregister("before-call.dynamodb", note)


def about(job: str, kind: str = "succeeded") -> bytes:
    return json.dumps({"id": "evt_1", "type": f"fine_tuning.job.{kind}", "data": {"id": job}}).encode()


def signed(body: bytes, at: int | None = None, key: bytes = KEY, of: bytes | None = None) -> dict[str, str]:
    sent = int(utc_now().timestamp()) if at is None else at
    signature = b64encode(hmac.digest(key, f"wh_1.{sent}.".encode() + (of or body), "sha256")).decode()
    return {"webhook-id": "wh_1", "webhook-timestamp": str(sent), "webhook-signature": f"v1,{signature}"}


def hear(body: bytes, headers: dict[str, str], provider: str = "trainer", *, base64: bool = False) -> Answer:
    event = http_event(ROUTE, f"/v1/webhooks/{provider}", None, None, {})
    text = b64encode(body).decode() if base64 else body.decode()
    path = {"provider": provider}
    changes = {"headers": headers, "body": text, "isBase64Encoded": base64, "pathParameters": path}
    answer = invoke("check-status", {**event, **changes})
    return Answer(answer["statusCode"], answer["body"])


@pytest.mark.parametrize("base64", [False, True])
def test_a_webhook_has_its_run_looked_at_without_a_key(base64: bool, live: World) -> None:
    run = launch_run(live)
    wait_for_job_end(run.id)
    body = about(run.provider_job_id or "")

    answer = hear(body, signed(body), base64=base64)

    assert (answer.status, answer.body) == (202, {"received": True})
    assert app.runs.get(live.tenant, run.id).status == "succeeded"


def test_a_webhook_says_nothing_that_its_provider_does_not_say(live: World) -> None:
    run = launch_run(live)
    wait_for_job_end(run.id)
    body = about(run.provider_job_id or "", "failed")

    assert hear(body, signed(body)).status == 202
    assert app.runs.get(live.tenant, run.id).status == "succeeded"


def test_the_same_webhook_again_changes_nothing(live: World) -> None:
    run = launch_run(live)
    steps.followed(live, run.id)
    before = app.runs.get(live.tenant, run.id)
    body = about(run.provider_job_id or "")
    provider = CallCounter()

    answers = {hear(body, signed(body)).status for _ in range(3)}

    assert answers == {202}
    assert app.runs.get(live.tenant, run.id) == before
    assert provider.asked.total() == 0


@pytest.mark.parametrize("body", [about("ftjob-nobody-s"), b'{"type": "response.completed", "data": {"id": "r"}}'])
def test_what_is_about_nothing_of_ours_is_taken_and_changes_nothing(body: bytes, touched: list[str]) -> None:
    assert hear(body, signed(body)).status == 202
    assert set(touched) <= {"GetItem"}


def wrong() -> Iterator[tuple[str, int, bytes, dict[str, str], str]]:
    """What is refused, and its status."""
    good, now = about("ftjob-1"), int(utc_now().timestamp())
    yield "no signature", 401, good, {}, "trainer"
    yield "another secret", 401, good, signed(good, key=b"x" * 32), "trainer"
    yield "another body", 401, good, signed(good, of=b"{}"), "trainer"
    yield "too old", 401, good, signed(good, now - 400), "trainer"
    yield "too early", 401, good, signed(good, now + 400), "trainer"
    yield "no secret known", 401, good, signed(good), "openai"
    yield "too large", 400, b"x" * (64 * 1024 + 1), signed(good), "trainer"
    yield "no json", 400, b"{", signed(b"{"), "trainer"
    yield "no job", 400, b"[]", signed(b"[]"), "trainer"


@pytest.mark.parametrize("what", [case[0] for case in wrong()])
def test_an_untrusted_webhook_is_refused_before_any_call_to_the_table(what: str, touched: list[str]) -> None:
    [(status, body, headers, provider)] = [case[1:] for case in wrong() if case[0] == what]

    answer = hear(body, headers, provider)

    assert answer.status == status, answer.text
    assert answer.body["error"]["type"] == "invalid_request_error"
    assert touched == (["Query"] if provider == "openai" else [])  # a name of nobody: who is known is listed


def test_a_body_that_is_no_base64_is_refused_before_any_call_to_the_table(touched: list[str]) -> None:
    event = http_event(ROUTE, "/v1/webhooks/trainer", "not base64!", None, {})

    answer = invoke("check-status", {**event, "headers": signed(b""), "isBase64Encoded": True})

    assert answer["statusCode"] == 400
    assert touched == []


@pytest.fixture
def read(live: World, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The parameters that SSM was asked for."""
    names: list[str] = []
    secret = app.secret

    def reading(_: object, name: str) -> str | None:
        names.append(name)
        return secret(name)

    assert live.tenant
    monkeypatch.setattr(type(app), "secret", reading)
    return names


def test_a_provider_s_secret_is_read_once_a_minute_however_much_is_sent(read: list[str]) -> None:
    body = about("ftjob-1")
    for key in (KEY, b"y" * 32, KEY):
        hear(body, signed(body, key=key))
        hear(body, signed(body, key=key), provider="nobody")

    assert read == [PARAMETER]


def test_made_up_names_cost_one_look_and_keep_out_nobody(read: list[str], touched: list[str]) -> None:
    body = about("ftjob-1")
    app.provider_rows.save(RegisteredProvider(name="azure", base_url="https://acme.example/v1"))
    other = PARAMETER.replace("trainer", "azure")
    app.client("ssm").put_parameter(Name=other, Value=SECRET, Type="SecureString")
    first = hear(body, signed(body))
    touched.clear()

    refused = {hear(body, signed(body), provider=f"made-up-{number}").status for number in range(120)}
    asked = list(touched)
    heard = [hear(body, signed(body), provider=name).status for name in ("trainer", "azure", "azure", "trainer")]

    assert (first.status, refused, heard) == (202, {401}, [202] * 4)
    assert (asked, read) == (["Query"], [PARAMETER, other])


def test_a_name_that_is_added_is_known_within_a_minute(read: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    body, now = about("ftjob-1"), monotonic()
    monkeypatch.setattr("check_status.webhook_secrets.monotonic", lambda: now)
    assert hear(body, signed(body), provider="azure").status == 401
    app.provider_rows.save(RegisteredProvider(name="azure", base_url="https://acme.example/v1"))
    app.client("ssm").put_parameter(Name=PARAMETER.replace("trainer", "azure"), Value=SECRET, Type="SecureString")

    within = hear(body, signed(body), provider="azure").status
    now += 61

    assert (within, hear(body, signed(body), provider="azure").status) == (401, 202)
    assert read == [PARAMETER.replace("trainer", "azure")]


def test_a_provider_that_is_away_is_no_reason_to_send_it_again(live: World) -> None:
    run = launch_run(live)
    body = about(run.provider_job_id or "")
    ProviderOutage()

    answer = hear(body, signed(body))

    assert answer.status == 202
    assert app.runs.get(live.tenant, run.id).waiting_for
