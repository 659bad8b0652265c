"""Optimistic retries: who is overtaken tries anew, who can't win says so, and what is gone is told at once."""

import pytest

from tuneloop.domain.core.errors import Outdated, Stale
from tuneloop.store.retry import TRIES, retry_from, retry_stale


class Rivals:
    """A write that so many others come before."""

    def __init__(self, before: int, refusal: type[Stale] = Stale) -> None:
        self.before, self.refusal, self.tries = before, refusal, 0

    def write(self) -> str:
        self.tries += 1
        if self.tries <= self.before:
            raise self.refusal("Somebody else was first.")
        return "written"


@pytest.mark.parametrize("before", [0, 1, TRIES - 1])
def test_an_overtaken_write_is_tried_until_it_gets_through(before: int) -> None:
    rivals = Rivals(before)

    assert retry_stale(rivals.write, "The row") == "written"
    assert rivals.tries == before + 1


def test_a_write_that_never_gets_through_names_what_is_changing() -> None:
    rivals = Rivals(TRIES)

    with pytest.raises(Stale, match=r"^The row is changing too fast; try again\.$"):
        retry_stale(rivals.write, "The row")

    assert rivals.tries == TRIES


def test_what_was_decided_on_and_is_gone_is_told_at_once() -> None:
    rivals = Rivals(1, Outdated)

    with pytest.raises(Outdated, match="Somebody else was first"):
        retry_stale(rivals.write, "The row")

    assert rivals.tries == 1


def test_the_first_try_goes_by_what_was_seen_and_reads_nothing() -> None:
    written: list[str] = []

    retry_from("seen", lambda: pytest.fail("read"), written.append, "The row")

    assert written == ["seen"]


def test_each_later_try_goes_by_what_is_there_then() -> None:
    rows, tried = iter(["first", "second"]), []

    def write(row: str) -> str:
        tried.append(row)
        if row != "second":
            raise Stale("Somebody else was first.")
        return row

    assert retry_from("seen", lambda: next(rows), write, "The row") == "second"
    assert tried == ["seen", "first", "second"]


def test_what_was_seen_and_is_gone_is_told_without_a_second_look() -> None:
    with pytest.raises(Outdated):
        retry_from("seen", lambda: pytest.fail("read"), lambda _: Rivals(1, Outdated).write(), "The row")
