"""How long a caller has waited already: a cold start counts, so that our shape comes before the gateway's."""

from typing import Any, cast

import pytest
from pydantic import BaseModel

from tests.functions.refusals import refused
from tests.world import Answer, Context, World, http_event
from tuneloop.api.router import ANSWER_WITHIN_S, GATEWAY_WAITS_S, Api
from tuneloop.app import app, utc_now
from tuneloop.domain.core.access import Scope
from tuneloop.runtime.entry_point import Function


class Left(BaseModel):
    """What a route may still take."""

    seconds: float


def asked(world: World, waited_s: Any) -> Answer:
    """A call of a route that reads the table, as the gateway took it so many seconds ago."""
    api = Api(app)

    @api.route("GET /v1/left", Scope.READ)
    def left() -> Left:
        """What is left."""
        app.tenants.exists(world.tenant)
        return Left(seconds=app.remaining_s)

    event = http_event("GET /v1/left", "/v1/left", None, world.key, {})
    if waited_s is not None:
        at = waited_s if isinstance(waited_s, str) else int((utc_now().timestamp() - waited_s) * 1000)
        event["requestContext"]["timeEpoch"] = at
    answer = Function("left", api)(event, cast("Any", Context()))
    return Answer(answer["statusCode"], answer["body"], answer.get("headers", {}))


@pytest.mark.parametrize(
    ("waited_s", "left_s"),
    [
        (0, ANSWER_WITHIN_S),
        (5, ANSWER_WITHIN_S - 5),
        (12.5, ANSWER_WITHIN_S - 12.5),
        (None, ANSWER_WITHIN_S),
        (-3, ANSWER_WITHIN_S),
        (GATEWAY_WAITS_S + 1, ANSWER_WITHIN_S),
        (10**9, ANSWER_WITHIN_S),
        ("1795167000000", ANSWER_WITHIN_S),
    ],
    ids=str,
)
def test_what_the_start_took_is_taken_off_the_time_to_answer(waited_s: Any, left_s: float, world: World) -> None:
    answer = asked(world, waited_s)

    assert answer.status == 200
    assert left_s - 2 < answer.body["seconds"] <= left_s


@pytest.mark.parametrize("waited_s", [ANSWER_WITHIN_S - 1, ANSWER_WITHIN_S + 1, GATEWAY_WAITS_S - 1])
def test_a_start_that_took_it_all_is_told_in_our_shape(waited_s: float, world: World) -> None:
    refused(asked(world, waited_s), 503)
