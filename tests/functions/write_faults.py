"""Faults at a write: the process dies before it, or somebody else writes first."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.functions.providers import Killed
from tuneloop.store.dynamodb import Table
from tuneloop.store.objects.bucket import MultipartUpload, Objects


@contextmanager
def crash_at_write(at: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Kill the process before its n-th write to the table or the bucket; gives a list that grows with each write."""
    writes: list[int] = []
    with monkeypatch.context() as patch:
        for owner, name in ((Table, "commit"), (Objects, "put"), (Objects, "remove"), (MultipartUpload, "end")):
            patch.setattr(owner, name, _count_writes(getattr(owner, name), writes, at))
        yield writes


def dies_at_write(at: int, monkeypatch: pytest.MonkeyPatch, work: Callable[[], object]) -> bool:
    """Let the process die in its work before its n-th write; tells whether it came to that."""
    try:
        with crash_at_write(at, monkeypatch):
            work()
    except Killed:
        return True
    return False


def _count_writes(write: Any, writes: list[int], at: int) -> Any:
    def counted(*arguments: Any) -> Any:
        writes.append(1)
        if len(writes) == at:
            raise Killed
        return write(*arguments)

    return counted


class ConcurrentWriter:
    """Another process that does one of its deeds right before each of the next commits."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *deeds: Any) -> None:
        commit, left = Table.commit, list(deeds)

        def interfered(table: Table, *writes: Any) -> None:
            if left:
                left.pop(0)()
            commit(table, *writes)

        monkeypatch.setattr(Table, "commit", interfered)
