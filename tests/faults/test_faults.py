"""Every call that leaves a function is broken once, in every way; the loop has to end as if nothing had happened.

Each test takes one way and one half of the loop through all of its calls. What they find is added up in
`build/faults.json`: nothing lost, nothing done twice, no event missing, no other state, no file left over.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache

import pytest

from tests.faults.conftest import MOST_NOT_REACHED, Report
from tests.faults.invocation import CREATE, UPLOAD, Fault, How, Point, Weather
from tests.faults.scenarios import Found, Theatre

everything = pytest.mark.faults
HALVES = ("trains", "decides")
OFTEN = 4  # of calls that a function makes often, the first ones and the last
HIDDEN_S = 5.0


@cache
def undisturbed(theatre: Theatre, half: str) -> Found:
    """What a half of the loop comes to when nothing happens."""
    found: Found = getattr(theatre, half)()
    assert found.is_over
    return found


def points(found: Found) -> Iterator[Point]:
    """The calls to break: all of them, but for the many of one kind that differ in nothing."""
    last = Counter({(point.function, point.call): point.number for point in found.calls})
    yield from (
        point
        for point in sorted(found.calls)
        if point.number <= OFTEN or point.number == last[point.function, point.call]
    )


@everything
@pytest.mark.parametrize("half", HALVES)
@pytest.mark.parametrize("how", How)
def test_the_loop_ends_as_if_nothing_had_happened(how: How, half: str, theatre: Theatre, report: Report) -> None:
    whole = undisturbed(theatre, half)
    play: Callable[[Fault], Found] = getattr(theatre, half)

    for point in points(whole):
        report.add(whole, play(Fault(point, how)), f"{how} at {point.function}: {point.call} number {point.number}")

    assert report.points > 0
    assert report.not_reached <= MOST_NOT_REACHED * report.points
    assert not report.wrong


@pytest.mark.parametrize("theatre", ["openai"], indirect=True)
def test_a_launch_that_dies_after_a_call_goes_on_where_it_was(theatre: Theatre, report: Report) -> None:
    """What `make test-faults` does with every call and in every way, for those that would be made twice."""
    whole = undisturbed(theatre, "trains")
    sent = [point for point in points(whole) if point.call in (UPLOAD, CREATE)]

    for point in sent:
        report.add(whole, theatre.trains(Fault(point, How.KILLED_AFTER)), str(point))

    assert {point.call for point in sent} == {UPLOAD, CREATE}
    assert (report.points, report.not_reached) == (len(sent), 0)
    assert not report.wrong


@everything
@pytest.mark.parametrize("hides_s", [0.0, HIDDEN_S])
@pytest.mark.parametrize("is_late", [False, True])
def test_a_job_that_shows_late_is_found_and_not_made_again(
    hides_s: float, is_late: bool, theatre: Theatre, report: Report
) -> None:
    whole, weather = undisturbed(theatre, "trains"), Weather(hides_s, is_late)
    ways = (None, How.KILLED_AFTER, How.FAILS_AFTER, How.OVERLAPS)

    for how in ways:
        fault = Fault(Point("launch-finetune", CREATE, 1), how) if how else None
        report.add(whole, theatre.trains(fault, weather), f"{how} at the create, {weather}", fault is not None)

    assert (report.points, report.not_reached) == (len(ways), 0)
    assert not report.wrong
