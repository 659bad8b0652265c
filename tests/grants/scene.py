"""Scenes by the function that they wake and by what wakes it: a route, an event's type, a schedule, `drop`, `queue`…"""

from collections.abc import Callable
from typing import NamedTuple

from infra.functions import FunctionSpec
from tests.grants.stage import Stage

Play = Callable[[Stage], None]


class Scene(NamedTuple):
    """One way in which a function is woken, and what a user then notices; AssertionError where he doesn't."""

    function: str
    trigger: str
    play: Play

    @property
    def name(self) -> str:
        """What happens, in words."""
        return self.play.__name__.replace("_", " ")


SCENES: list[Scene] = []


def scene(function: str, *triggers: str) -> Callable[[Play], Play]:
    """Register a scene for each of its triggers."""

    def register(play: Play) -> Play:
        SCENES.extend(Scene(function, trigger, play) for trigger in triggers)
        return play

    return register


def triggers_of(spec: FunctionSpec) -> set[str]:
    """All that wakes the function of a row of the table."""
    kinds = {"drop": spec.drops, "queue": spec.queue, "stream": spec.stream}
    routes = {" ".join(endpoint) for endpoint in spec.endpoints} | ({"$default"} if spec.unknown_routes else set())
    named = {*spec.events, *(schedule.name for schedule in spec.schedules)}
    return routes | named | {kind for kind, wakes in kinds.items() if wakes}
