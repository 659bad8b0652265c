"""Patience: a service of AWS that hangs is given up in time, and not begun with when its answer would come too late."""

from collections.abc import Iterator
from time import monotonic
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from complete_chat.routes import USAGE_MARGIN_S
from tests.unit.hanging_server import Hanging
from tuneloop import app as composition
from tuneloop.api.router import ANSWER_WITHIN_S
from tuneloop.app import ATTEMPTS, TIMEOUTS, App, Timeouts
from tuneloop.domain.core.errors import OutOfTime

READ_S = 0.1


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    server = Hanging()
    yield server
    server.close()


@pytest.fixture
def table(hanging: Hanging, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[App, Any]]:
    """A client of a table that hangs, with little patience."""
    monkeypatch.setitem(TIMEOUTS, "dynamodb", Timeouts(READ_S, READ_S))
    for name, value in {"ENDPOINT_URL": hanging.url, "ACCESS_KEY_ID": "x", "SECRET_ACCESS_KEY": "x"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    app = App()
    client = app.client("dynamodb")
    yield app, client
    client.close()


def read(client: Any) -> None:
    client.get_item(TableName="t", Key={"pk": {"S": "a"}, "sk": {"S": "b"}})


def test_a_call_that_hangs_is_tried_twice_and_given_up(hanging: Hanging, table: tuple[App, Any]) -> None:
    started = monotonic()

    with pytest.raises(ReadTimeoutError):
        read(table[1])

    assert monotonic() - started < ATTEMPTS * (2 * READ_S + 1) + 1  # with up to a second between tries
    assert len(hanging.connections) == ATTEMPTS


def test_nothing_is_tried_again_whose_answer_would_come_too_late(hanging: Hanging, table: tuple[App, Any]) -> None:
    app, client = table
    started = monotonic()

    with app.answer_within(2.5 * READ_S), pytest.raises(OutOfTime):
        read(client)

    assert monotonic() - started < 2.5 * READ_S + 1
    assert len(hanging.connections) == 1


def test_nothing_is_begun_after_the_deadline(hanging: Hanging, table: tuple[App, Any]) -> None:
    app, client = table

    with app.answer_within(READ_S), pytest.raises(OutOfTime, match="longer than an answer may take"):
        read(client)

    assert hanging.connections == []
    assert app.remaining_s == float("inf")


def test_one_deadline_lies_within_another(table: tuple[App, Any]) -> None:
    app, _ = table

    with app.answer_within(10):
        with app.answer_within(5):
            assert 4 < app.remaining_s <= 5
        assert 9 < app.remaining_s <= 10


@pytest.mark.parametrize("service", ["dynamodb", "ssm", "sqs", "s3", "events"])
def test_every_service_has_its_tries_within_an_answer(service: str) -> None:
    patience = composition.TIMEOUTS.get(service, Timeouts())

    assert sum(patience) < ANSWER_WITHIN_S / 2
    assert ANSWER_WITHIN_S < 25


def test_a_chat_keeps_the_time_to_send_its_usage() -> None:
    assert sum(TIMEOUTS["sqs"]) < USAGE_MARGIN_S < ANSWER_WITHIN_S / 5
