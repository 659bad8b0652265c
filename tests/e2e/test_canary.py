"""A sentence planted wherever content may stand, and every key in use, are found nowhere that content must not be.

On Bedrock's wire the same is held by `test_bedrock.py`, on the stack that is up there.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from local.stack import LocalStack
from tests.bus_listener import hear_the_bus, stop_hearing, taken_from
from tests.e2e.canaries import TENANT, Canary, plant
from tests.e2e.canary_search import credentials_of_functions, found_in, places
from tests.e2e.conftest import Command


def planted(stack: LocalStack, command: Command) -> Canary:
    """A sentence of a tenant's, and the keys that must be found nowhere, a narrow one among them."""
    canary = Canary(stack, command.ok("keys", "create", TENANT).strip())
    narrow = command.ok("keys", "create", TENANT, "--scope", "read").strip()
    canary.secret += [canary.key, narrow, stack.trainer.api_key, stack.aws.secret_access_key]
    for path in (f"/{canary.token}", "/datasets"):
        canary.refused("POST", path, {"id": canary.at("a narrow key")}, headers={"authorization": f"Bearer {narrow}"})
    return canary


@contextmanager
def listening(stack: LocalStack, canary: Canary) -> Iterator[str]:
    """A queue that hears the bus for a while."""
    name = f"canary-{canary.token}"
    yield (url := hear_the_bus(stack, name))
    stop_hearing(stack, name, url)


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
