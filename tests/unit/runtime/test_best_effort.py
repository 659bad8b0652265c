"""Sweeping: what fails is told at the end, and costs the others nothing."""

from io import StringIO

import pytest

from tuneloop.observability import logger
from tuneloop.runtime import best_effort
from tuneloop.runtime.best_effort import SweepIncomplete, for_each

SAID = "the purple heron dances at noon"


def test_every_item_gets_its_try_and_the_failures_are_told_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    log, counted, done = StringIO(), list[tuple[str, int]](), list[int]()
    monkeypatch.setattr(logger.registered_handler, "stream", log)
    monkeypatch.setattr(best_effort, "count", lambda name, amount: counted.append((name, amount)))

    def work(item: int) -> None:
        if item % 2:
            raise RuntimeError(SAID)
        done.append(item)

    with pytest.raises(SweepIncomplete, match="2 items"):
        for_each(iter(range(5)), work)

    assert done == [0, 2, 4]
    assert counted == [("SweepFailures", 2)]
    assert log.getvalue().count('"error":"RuntimeError"') == 2
    assert SAID not in log.getvalue()


def test_a_sweep_without_failures_ends_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(best_effort, "count", lambda *_: pytest.fail("nothing to count"))
    done: list[str] = []

    for_each(["a", "b"], done.append)
    for_each([], done.append)

    assert done == ["a", "b"]


def test_the_end_of_the_process_is_no_failure_of_an_item() -> None:
    def work(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        for_each([1, 2], work)
