"""Best-effort loops: every item is tried, also after others failed, and failures are raised together at the end."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from tuneloop.observability import count, log_failure

T = TypeVar("T")


class SweepIncomplete(Exception):
    """Raised at the end of a loop in which items failed, with their number; each item's error type is in the log."""


def for_each(items: Iterable[T], work: Callable[[T], object]) -> None:
    """Try the work on every item, then raise SweepIncomplete if it failed for any (metric `SweepFailures`)."""
    failures = 0
    for item in items:
        try:
            work(item)
        except Exception as error:  # noqa: BLE001 - an entry point for each item: no kind of failure may stop the rest
            log_failure(error)
            failures += 1
    if failures:
        count("SweepFailures", failures)
        raise SweepIncomplete(f"{failures} items failed")
