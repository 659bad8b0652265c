"""Repeated calls: what a call shares with its repeats, and how long its headers make it known as one."""

from datetime import timedelta

import pytest

from tuneloop.domain.training.repeated_calls import KEPT, RETRIED_WITHIN, RunCall, retries_in

CALL = RunCall("acme", "key-1", "train support")


def test_a_repeat_has_the_same_body_and_api_key() -> None:
    assert CALL.id == CALL._replace(is_retry=True).id
    assert len({CALL.id, CALL._replace(wanted="train sales").id, CALL._replace(api_key="key-2").id}) == 3


def test_an_idempotency_key_decides_alone_for_its_api_key() -> None:
    keyed = CALL._replace(idempotency_key="k")

    assert keyed.id == keyed._replace(wanted="train sales").id
    assert len({CALL.id, keyed.id, keyed._replace(idempotency_key="").id, keyed._replace(api_key="key-2").id}) == 4


def test_an_idempotency_key_is_known_longer_than_a_retry() -> None:
    assert CALL.is_told_within == RETRIED_WITHIN == timedelta(hours=1)
    assert CALL._replace(idempotency_key="").is_told_within == KEPT == timedelta(days=30)


@pytest.mark.parametrize(
    ("header", "retries"),
    [
        (None, 0),
        ("", 0),
        ("0", 0),
        ("2", 2),
        ("9999", 9999),
        ("99999", 0),
        ("-1", 0),
        ("1.5", 0),
        ("\u0663", 0),
        ("2\n", 0),
    ],
)
def test_a_count_of_retries_is_read_where_it_is_one(header: str | None, retries: int) -> None:
    assert retries_in(header) == retries
