"""Every file in `events/` goes through the real handler of its function, in a world in which it means something."""

from typing import Any

import pytest

from tests.functions.event_files import FILES, read
from tests.functions.scenarios import SCENARIOS, expected_files
from tests.world import World, invoke


def play(name: str, world: World, event: dict[str, Any]) -> None:
    scene = SCENARIOS[name](world, event)
    next(scene)

    answer = invoke(name.partition(".")[0], event)

    with pytest.raises(StopIteration):
        scene.send(answer)


def test_every_trigger_has_its_file_and_every_file_its_trigger() -> None:
    assert set(FILES) == expected_files()


@pytest.mark.parametrize("name", FILES)
def test_an_event_does_its_work(name: str, live: World) -> None:
    play(name, live, read(name, live.tenant))


@pytest.mark.parametrize("name", [name for name in FILES if read(name).get("source") == "tuneloop"])
def test_a_consumer_ignores_fields_that_are_added_later(name: str, live: World) -> None:
    event = read(name, live.tenant)
    event["detail"]["added_later"] = {"by": "a newer producer"}

    play(name, live, event)


def test_files_hold_no_account_but_the_example_one() -> None:
    accounts = {
        account
        for name in FILES
        for account in (read(name).get("account"), read(name).get("requestContext", {}).get("accountId"))
        if account
    }

    assert accounts == {"123456789012"}
