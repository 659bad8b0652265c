"""A sentence planted wherever content may stand, and every key in use, are found nowhere that content must not be.

On Bedrock's wire the same is held by `test_bedrock.py`, on the stack that is up there.
"""

from local.stack import LocalStack
from tests.bus_listener import taken_from
from tests.e2e.canaries import listening, plant, planted
from tests.e2e.canary_search import credentials_of_functions, found_in, places
from tests.e2e.conftest import Command


def test_what_was_said_is_found_nowhere_that_it_must_not_be(stack: LocalStack, command: Command) -> None:
    canary = planted(stack, command)
    with listening(stack, canary) as url:
        plant(canary)
        canary.secret += credentials_of_functions(stack)

        read = places(canary, taken_from(stack, url))

    assert "DeploymentChanged" in read["bus"]
    assert all(word in read["messages"] for word in ('"collect"', '"prompt_tokens"'))
    assert all(word in read["logs"] for word in ('"CloudWatchMetrics"', '"level":"ERROR"'))
    assert all(read.values()), "a place without any content was not looked at"
    assert found_in(canary, read) == []
