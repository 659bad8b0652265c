"""Webhooks: signed as Standard Webhooks says, checked before anything in them is looked at."""

from base64 import b64encode
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.factories import NOW
from tuneloop.domain.core.errors import Malformed, Unauthenticated
from tuneloop.domain.training.webhooks import MOST_BODY_BYTES, check_signature, check_time, job_in, raw_body

# Its own example: https://github.com/standard-webhooks/standard-webhooks, libraries/python/tests (read 2026-11).
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = b'{"test": 2432232314}'
EXAMPLE = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}


def headers(**changes: str) -> dict[str, str]:
    return EXAMPLE | {f"webhook-{name}": value for name, value in changes.items()}


def test_the_rules_own_example_passes() -> None:
    check_signature(EXAMPLE, BODY, SECRET)


def test_one_of_several_signatures_is_enough_and_other_kinds_are_none() -> None:
    given_too = f"v1,AAAA v1a,{EXAMPLE['webhook-signature'][3:]}"

    check_signature(headers(signature=f"{given_too} {EXAMPLE['webhook-signature']}"), BODY, SECRET)
    with pytest.raises(Unauthenticated):
        check_signature(headers(signature=given_too), BODY, SECRET)


@pytest.mark.parametrize("secret", [None, "", "whsec_", "whsec_not base64!", "whsec_AAAA"])
def test_without_the_secret_nothing_passes(secret: str | None) -> None:
    with pytest.raises(Unauthenticated):
        check_signature(EXAMPLE, BODY, secret)


@given(st.binary(max_size=200), st.text(max_size=40), st.integers(0, 10**10))
def test_whatever_was_changed_on_the_way_breaks_the_signature(body: bytes, name: str, at: int) -> None:
    changed = headers(id=name, timestamp=str(at))

    if (body, changed) != (BODY, EXAMPLE):
        with pytest.raises(Unauthenticated):
            check_signature(changed, body, SECRET)


@pytest.mark.parametrize(("seconds", "is_taken"), [(0, True), (300, True), (-300, True), (301, False), (-301, False)])
def test_a_webhook_is_taken_within_five_minutes_of_its_time(seconds: int, is_taken: bool) -> None:
    sent = headers(timestamp=str(int((NOW + timedelta(seconds=seconds)).timestamp())))

    if is_taken:
        check_time(sent, NOW)
    else:
        with pytest.raises(Unauthenticated):
            check_time(sent, NOW)


@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_webhook_without_all_three_headers_is_not_signed(missing: str) -> None:
    with pytest.raises(Unauthenticated):
        check_time({name: value for name, value in EXAMPLE.items() if name != missing}, NOW)


@pytest.mark.parametrize("time", ["soon", "1e9", "-5", "٣", "9" * 400, "1.5"])
def test_a_time_that_is_no_number_is_no_time(time: str) -> None:
    with pytest.raises(Unauthenticated):
        check_time(headers(timestamp=time), NOW)


def test_a_body_is_had_back_as_it_was_signed() -> None:
    assert raw_body(None, False) == b""
    assert raw_body('{"ü": 1}', False) == '{"ü": 1}'.encode()
    assert raw_body(b64encode(b"\xff\x00").decode(), True) == b"\xff\x00"
    assert len(raw_body("x" * MOST_BODY_BYTES, False)) == MOST_BODY_BYTES


@pytest.mark.parametrize("body", ["x" * (MOST_BODY_BYTES + 1), "ü" * MOST_BODY_BYTES, "é" * (MOST_BODY_BYTES // 2 + 1)])
def test_a_body_that_is_too_large_is_malformed(body: str) -> None:
    with pytest.raises(Malformed):
        raw_body(body, False)
    with pytest.raises(Malformed):
        raw_body(b64encode(body.encode()).decode(), True)


@pytest.mark.parametrize("body", ["not base64!", "\ud800"])
def test_a_body_that_can_t_be_had_back_is_malformed(body: str) -> None:
    with pytest.raises(Malformed):
        raw_body(body, body.isascii())


def test_a_webhook_names_its_job_or_is_about_something_else() -> None:
    assert job_in(b'{"type": "fine_tuning.job.succeeded", "data": {"id": "ftjob-1"}}') == "ftjob-1"
    assert job_in(b'{"type": "response.completed", "data": {"id": "resp-1"}}') is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"[" * 5000,
        b"[]",
        b"null",
        b'{"type": 5}',
        b'{"data": {"id": "ftjob-1"}}',
        b'{"type": "fine_tuning.job.failed"}',
        b'{"type": "fine_tuning.job.failed", "data": {"id": 5}}',
        b'{"type": "fine_tuning.job.failed", "data": {"id": ""}}',
    ],
)
def test_what_says_neither_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        job_in(body)
