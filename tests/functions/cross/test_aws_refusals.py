"""What AWS refuses us, as our own callers are told of it: to try again, or that it is our failure."""

from io import StringIO
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.functions import steps
from tests.functions.refusals import SECRET_SENTENCE, call_route, failing, refused
from tests.world import World
from tuneloop.app import App, app
from tuneloop.domain.core.access import Scope


def test_who_cannot_be_looked_up_is_not_let_in(world: World, monkeypatch: pytest.MonkeyPatch, log: StringIO) -> None:
    def throttled(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "ThrottlingException", "Message": SECRET_SENTENCE}}, "GetItem")

    secret = world.new_key(*Scope)
    monkeypatch.setattr(app.table.client, "get_item", throttled)

    answer = call_route(world, "GET /v1/datasets", key=secret)

    refused(answer, 503, "key_not_checked")
    assert SECRET_SENTENCE not in answer.text + log.getvalue()


def refusal_of(code: str, status: int = 400, *reasons: str) -> ClientError:
    details: Any = {"Error": {"Code": code, "Message": SECRET_SENTENCE}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(details | {"CancellationReasons": [{"Code": reason} for reason in reasons]}, "Anything")


@pytest.mark.parametrize(
    "error",
    [
        refusal_of("ThrottlingException"),
        refusal_of("ProvisionedThroughputExceededException"),
        refusal_of("RequestLimitExceeded"),
        refusal_of("TooManyRequestsException"),
        refusal_of("SlowDown", 503),
        refusal_of("TransactionConflictException"),
        refusal_of("TransactionCanceledException", 400, "None", "TransactionConflict"),
        refusal_of("TransactionCanceledException", 400, "None", "ThrottlingError"),
        refusal_of("InternalServerError", 500),
    ],
    ids=lambda error: error.response["Error"]["Code"],
)
def test_what_aws_refuses_for_now_may_be_tried_again(error: ClientError, world: World, log: StringIO) -> None:
    answer = failing(world, error)

    assert "Try again" in refused(answer, 503, "try_again")
    assert SECRET_SENTENCE not in answer.text + log.getvalue()
    assert error.response["Error"]["Code"] in log.getvalue()


@pytest.mark.parametrize(
    "error",
    [
        refusal_of("AccessDeniedException"),
        refusal_of("ValidationException"),
        refusal_of("TransactionCanceledException", 400, "None", "ItemCollectionSizeLimitExceeded"),
    ],
    ids=lambda error: error.response["Error"]["Code"],
)
def test_what_aws_refuses_for_good_is_a_failure_of_ours(error: ClientError, world: World) -> None:
    refused(failing(world, error), 500, "internal_error")


def test_a_provider_s_key_that_cannot_be_read_just_now_is_asked_for_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def throttled(*_: object) -> None:
        raise refusal_of("ThrottlingException")

    steps.registered(world)
    monkeypatch.setattr(App, "secret", throttled)

    refused(steps.ask(world), 503, "try_again")


def test_rivals_that_never_give_way_are_tried_again_later(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def conflict(**_: Any) -> None:
        raise refusal_of("TransactionCanceledException", 400, "TransactionConflict")

    monkeypatch.setattr("tuneloop.store.dynamodb.time.sleep", lambda _: None)
    monkeypatch.setattr(app.table.client, "transact_write_items", conflict)

    refused(world.call("POST /v1/datasets", "/v1/datasets", {"id": "support"}), 503, "try_again")
