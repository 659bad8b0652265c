"""Best-effort loops: every item gets its try; one that fails costs the others nothing and is still not forgotten."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from tuneloop.observability import count, log_failure

T = TypeVar("T")


class SweepIncomplete(Exception):
    """Raised at the end of a loop some of whose items failed; says how many, each of them is in the log by its type."""


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
