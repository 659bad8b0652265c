"""Files that are made to hurt whoever reads them, and a process of its own for each that reads it and tells of it.

`python -m tests.functions.bombs` collects them with everything loaded that the function loads, and prints how each
drop ended, the peak of the process's memory in MB, and the seconds that reading took.
"""

import gzip
import importlib
import io
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import zstandard

from tests.examples import chat
from tests.unit.factories import a_dataset, a_drop
from tuneloop.app import App, utc_now
from tuneloop.domain.datasets.datasets import Dataset, OnInvalid, Segment
from tuneloop.domain.datasets.drops import Drop
from tuneloop.domain.datasets.erasures import ErasureMarks
from tuneloop.store.objects.bucket import Objects
from tuneloop.store.repositories.datasets import Datasets
from tuneloop.store.repositories.erasures import Erasures
from tuneloop.validation import decompress

MIB = 1 << 20
LINE = 10 * MIB
GOOD = json.dumps(chat("a", "b")).encode()
TOOL = GOOD[:-1] + b', "tools": [{"type": "function", "function": {"name": "f", "parameters": {'
PACK: dict[str, Callable[[bytes], bytes]] = {"gz": gzip.compress, "zst": zstandard.ZstdCompressor(level=3).compress}


class Bomb(NamedTuple):
    """A file: one piece of it, and how often it comes."""

    piece: bytes
    times: int = 1


def said(text: str) -> Bomb:
    """An example of 10 MiB whose answer says one thing over and over."""
    line = json.dumps(chat("a", "FILL")).encode()
    return Bomb(line.replace(b"FILL", text.encode() * ((LINE - len(line)) // len(text.encode()))))


def listed(part: bytes, most: int = LINE) -> Bomb:
    """An example of 10 MiB with a list of small parts; of `most` such parts, and one big one for the rest."""
    head = TOOL + b'"x": ['
    number = min(most, (LINE - len(head) - 20) // (len(part) + 1))
    rest = LINE - len(head) - number * (len(part) + 1) - 8
    return Bomb(head + (part + b",") * number + b'"' + b"x" * rest + b'"]}}}]}')


def fields(inner: bool) -> Bomb:
    """An example of 10 MiB with very many names, its own or those of an object in it."""
    many = b",".join(b'"%x":0' % number for number in range(1_000_000))
    return Bomb(TOOL + many + b"}}}]}" if inner else GOOD[:-1] + b", " + many + b"}")


def deep(levels: int) -> Bomb:
    """An example whose tools are lists in lists."""
    return Bomb(GOOD[:-1] + b', "tools": ' + b"[" * levels + b"]" * levels + b"}")


def packed(kind: str, unpacked: bytes, times: int, noise: int = 0) -> Bomb:
    """A compressed file, its pieces one after the other, each with so much in it that can't be compressed."""
    return Bomb(PACK[kind](os.urandom(noise) + unpacked), times)


BOMBS: dict[str, Callable[[], Bomb]] = {
    "zeros.jsonl.gz": lambda: packed("gz", bytes(64 * MIB), 60),
    "zeros.jsonl.zst": lambda: packed("zst", bytes(64 * MIB), 1000),
    "brackets.jsonl.gz": lambda: packed("gz", b"[" * 64 * MIB, 60),
    "brackets.jsonl.zst": lambda: packed("zst", b"[" * 64 * MIB, 1000),
    "new-lines.jsonl.zst": lambda: packed("zst", b"\n" * 16 * MIB, 100),
    "total.jsonl.zst": lambda: packed("zst", bytes(64 * MIB), 20, noise=MIB),
    "one-line.jsonl": lambda: Bomb(b"a" * MIB, 300),
    "empty-lists.jsonl": lambda: listed(b"[]"),
    "empty-objects.jsonl": lambda: listed(b"{}"),
    "small-objects.jsonl": lambda: listed(b'{"a":0}'),
    "parts.jsonl": lambda: listed(b'{"a":0}', 249_000),
    "strings.jsonl": lambda: listed(b'"ab"'),
    "numbers.jsonl": lambda: listed(b"0.5"),
    "messages.jsonl": lambda: Bomb(b'{"messages": [' + b"0," * (LINE // 2 - 20) + b"0]}"),
    "fields.jsonl": lambda: fields(inner=False),
    "names.jsonl": lambda: fields(inner=True),
    "deep.jsonl": lambda: deep(100_000),
    "letters.jsonl": lambda: said("a"),
    "spaces.jsonl": lambda: said(" x" + " " * 1000),
    "emoji.jsonl": lambda: said("\\ud83d\\ude00"),
    "big-lines.jsonl": lambda: Bomb(said("Where is my order? ").piece + b"\n", 7),
    "zeros.csv.gz": lambda: packed("gz", bytes(64 * MIB), 60),
    "open-quote.csv": lambda: Bomb(b'text,label\n"' + b"a" * (LINE + MIB)),
    "open-quotes.csv": lambda: Bomb(b'text,label\n"' + b"a\n" * (LINE // 2 + MIB)),
    "delimiters.csv": lambda: Bomb(b"text,label\n" + b"ab," * (LINE // 3 - 20)),
    "columns.csv": lambda: Bomb(b"ab," * (LINE // 3 - 20)),
    "quotes.csv": lambda: Bomb(b'text,label\n"' + b'""' * (LINE // 2 - 20) + b'",b\n'),
    "records.csv": lambda: Bomb(b"text,label\n" + b"a\n" * MIB),
    "big-records.csv": lambda: Bomb(b"text,label\n" + b'"%b",b\n' % (b"Where,\n" * 1_400_000)),
    "random.jsonl": lambda: Bomb(b"%b\n" % json.dumps(chat(os.urandom(100_000).hex(), "b")).encode(), 200),
}
# Reading on to the real limit, 8 GiB, would take twenty seconds and hold no more than reading on to this one.
UNPACKED = {"total.jsonl.zst": 1 << 30}


class Streaming:
    """S3 as far as reading one file takes it: what is read comes in pieces, what is written goes nowhere."""

    def __init__(self, bomb: Bomb) -> None:
        self._bomb = bomb

    def get_object(self, **_: Any) -> dict[str, Any]:
        """The file, never whole in memory."""
        return {"Body": Pieces(self._bomb), "ContentLength": len(self._bomb.piece) * self._bomb.times}

    def put_object(self, **written: Any) -> None:
        """Take an object."""
        assert written["Body"].read(1)


class Pieces(io.RawIOBase):
    """A stream of a bomb's pieces."""

    def __init__(self, bomb: Bomb) -> None:
        self._piece, self._left, self._at = bomb.piece, bomb.times, 0

    def read(self, size: int = -1, /) -> bytes:
        """What is left of the piece in hand, `size` bytes at most."""
        if not self._left:
            return b""
        found = self._piece[self._at : self._at + size]
        self._at += len(found)
        if self._at >= len(self._piece):
            self._left, self._at = self._left - 1, 0
        return found


class Nothing(Erasures):
    """A tenant that erased nothing."""

    def __init__(self) -> None:
        pass

    def after(self, tenant: str, dataset: str, number: int, until: int | None = None) -> ErasureMarks:
        """Nothing."""
        assert dataset
        assert until is None
        return ErasureMarks(tenant, [], number)


class Rows(Datasets):
    """The rows of one dataset, in memory."""

    def __init__(self) -> None:
        self.segments_added: list[Segment] = []

    def get(self, tenant: str, dataset: str) -> Dataset:
        """A dataset that skips what can't be used, which keeps more of it in memory."""
        return a_dataset(tenant=tenant, id=dataset, on_invalid=OnInvalid.SKIP)

    def add_segment(self, tenant: str, dataset: str, segment: Segment) -> bool:
        """Take a segment."""
        assert a_dataset(tenant=tenant, id=dataset)
        self.segments_added.append(segment)
        return True

    def save_drop(self, drop: Drop) -> Drop:
        """Take a drop."""
        return drop


def peak_mb() -> int:
    """The most memory that this program has held; `ru_maxrss` would count the process that it was forked from too."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


def main() -> None:
    """Read each of the bombs in a process of its own, made from one that has everything imported."""
    handler: Any = importlib.import_module("collect_examples.handler")
    assert all([handler, App().client("s3"), App().client("dynamodb")])
    ingest_drop = importlib.import_module("collect_examples.ingest").IngestDrop
    for name in BOMBS:
        if not (child := os.fork()):
            read(name, ingest_drop)
            os._exit(0)
        os.waitpid(child, 0)


def read(name: str, ingest_drop: Any) -> None:
    """Read one, and say how that ended."""
    limits = vars(decompress)  # of this process alone
    limits["DECOMPRESSED_BYTES"] = UNPACKED.get(name, limits["DECOMPRESSED_BYTES"])
    objects, rows, begun = Objects(Streaming(BOMBS[name]()), "bucket"), Rows(), time.monotonic()  # type: ignore[arg-type]
    base_mb = peak_mb()
    lines = objects.dropped_lines(name)
    ended = ingest_drop(rows, objects, Nothing(), utc_now).ingest(a_drop(object=name), lines)
    said = {
        "name": name,
        "status": ended.status,
        "examples": ended.examples,
        "codes": [problem.code for problem in ended.problems][:2],
        "segments": len(rows.segments_added),
        "base_mb": base_mb,
        "peak_mb": peak_mb(),
        "seconds": round(time.monotonic() - begun, 1),
    }
    print(json.dumps(said), flush=True)  # noqa: T201 - read by whoever started this process


if __name__ == "__main__":
    main()
