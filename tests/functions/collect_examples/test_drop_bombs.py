"""Bombs: whatever a file is made to do to its reader, it is read or refused in less memory than the function has."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.functions.bombs import BOMBS, UNPACKED
from tuneloop.domain.core.limits import DECOMPRESSED_BYTES
from tuneloop.validation import decompress

ROOT = Path(__file__).resolve().parents[3]
MOST_MB = 512
ENDS_WITHIN_S = 400
ENDS: dict[str, tuple[str, int, list[str]]] = {
    "zeros.jsonl.gz": ("rejected", 0, ["compression_ratio_too_high"]),
    "zeros.jsonl.zst": ("rejected", 0, ["compression_ratio_too_high"]),
    "brackets.jsonl.gz": ("rejected", 0, ["compression_ratio_too_high"]),
    "brackets.jsonl.zst": ("rejected", 0, ["compression_ratio_too_high"]),
    "new-lines.jsonl.zst": ("rejected", 0, ["compression_ratio_too_high"]),
    "total.jsonl.zst": ("rejected", 0, ["decompressed_too_large"]),
    "one-line.jsonl": ("rejected", 0, ["line_too_long"]),
    "empty-lists.jsonl": ("rejected", 0, ["too_many_parts"]),
    "empty-objects.jsonl": ("rejected", 0, ["too_many_parts"]),
    "small-objects.jsonl": ("rejected", 0, ["too_many_parts"]),
    "parts.jsonl": ("collected", 1, []),
    "strings.jsonl": ("collected", 1, []),
    "numbers.jsonl": ("collected", 1, []),
    "messages.jsonl": ("rejected", 0, ["not_an_object"]),
    "fields.jsonl": ("rejected", 0, ["invalid_field"]),
    "names.jsonl": ("collected", 1, []),
    "deep.jsonl": ("rejected", 0, ["too_deep"]),
    "letters.jsonl": ("collected", 1, []),
    "spaces.jsonl": ("collected", 1, []),
    "emoji.jsonl": ("collected", 1, []),
    "big-lines.jsonl": ("collected", 7, []),
    "zeros.csv.gz": ("rejected", 0, ["compression_ratio_too_high"]),
    "open-quote.csv": ("rejected", 0, ["line_too_long"]),
    "open-quotes.csv": ("rejected", 0, ["line_too_long"]),
    "delimiters.csv": ("rejected", 0, ["too_many_parts"]),
    "columns.csv": ("rejected", 0, ["too_many_parts"]),
    "quotes.csv": ("collected", 1, []),
    "records.csv": ("rejected", 0, ["wrong_number_of_cells"]),
    "big-records.csv": ("rejected", 0, ["too_many_parts"]),
    "random.jsonl": ("collected", 200, []),
}


@pytest.fixture(scope="module")
def ends() -> dict[str, Any]:
    """How reading each bomb ended."""
    path = os.pathsep.join(str(ROOT / folder) for folder in ("shared", "functions", "."))
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": path, "AWS_DEFAULT_REGION": "us-east-1"}
    command = [sys.executable, "-m", "tests.functions.bombs"]
    done = subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=ENDS_WITHIN_S, check=False
    )

    assert done.returncode == 0, done.stderr
    return {ended["name"]: ended for ended in map(json.loads, done.stdout.splitlines())}


@pytest.mark.parametrize("name", BOMBS)
def test_a_file_is_read_or_refused_in_bounded_memory(name: str, ends: dict[str, Any]) -> None:
    ended = ends[name]

    assert ended["peak_mb"] < MOST_MB
    assert (ended["status"], ended["examples"], ended["codes"][:1]) == ENDS[name]
    assert bool(ended["segments"]) == (ended["status"] == "collected")


def test_reading_to_the_limit_holds_at_most_a_thirtieth_of_what_was_read(ends: dict[str, Any]) -> None:
    [(name, most)] = UNPACKED.items()

    assert ends[name]["peak_mb"] - ends[name]["base_mb"] < (most >> 20) / 30
    assert vars(decompress)["DECOMPRESSED_BYTES"] == DECOMPRESSED_BYTES == 8 << 30
