"""The cost of validating a file, by one or two processes, beside the script that people copy.

Each measurement is a process of its own; they take turns in one run, and the best of two counts. Compared is processor
time, which other work on the machine disturbs least: of two processes that of the busier one, which is what the clock
shows where both cores are free. The clock's own ratios are reported too. Loading the vocabulary counts, imports don't.
"""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

from bench.data.lines import chat_lines
from bench.data.measurement import TIKTOKEN

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "bench"
BANKING77 = ROOT.parent / "shared" / "data" / "banking77" / "train.jsonl"
ABSENT = f"""
{"!" * 80}
{BANKING77} is absent:
nothing is measured on Banking77, and the figures that are required of it stay open.
{"!" * 80}"""
LINES, MORE_LINES, REPEATED = 200_000, 1_000_000, 20
TRIES = 2  # the better one counts, as other work on the machine only adds to it
MIB = 1 << 20

Measured = dict[str, Any]


def figures() -> dict[str, Any]:
    """Measure ratios, peaks and mismatches, and print where the time goes."""
    BUILD.mkdir(parents=True, exist_ok=True)
    chat = write_lines(BUILD / "chat.jsonl", chat_lines(LINES))
    measured = compare("200,000 chat lines", chat) | peaks("200k", chat)
    measured["token_mismatches"] = measure("mismatches", chat)["mismatches"]
    if BANKING77.is_file():
        repeated = write_lines(BUILD / "banking77.jsonl", lines_of(BANKING77, REPEATED))
        measured |= {f"banking77_{name}": ratio for name, ratio in compare("Banking77, 20 times", repeated).items()}
        measured["token_mismatches"] += measure("mismatches", BANKING77)["mismatches"]
        repeated.unlink()
    else:
        print(ABSENT)
    print_stages(measure("stages", chat)["stages"])
    chat.unlink()
    more = write_lines(BUILD / "more.jsonl", chat_lines(MORE_LINES))
    measured |= peaks("1m", more)
    more.unlink()
    return measured | {"environment": environment()}


def write_lines(path: Path, lines: Iterable[bytes]) -> Path:
    """Write lines to a file, and return its path."""
    with path.open("wb") as file:
        file.writelines(line + b"\n" for line in lines)
    return path


def lines_of(path: Path, times: int) -> Iterable[bytes]:
    """A file's lines, repeated `times` times."""
    lines = path.read_bytes().splitlines()
    return (line for _ in range(times) for line in lines)


def compare(title: str, path: Path) -> dict[str, float]:
    """The ratios of the baseline's time to validating's, and of validating's to parsing and tokenising alone."""
    rounds = [{mode: measure(mode, path) for mode in ("one", "baseline", "two", "floor")} for _ in range(TRIES)]
    modes = rounds[0]
    cpu, clock = ({mode: min(one[mode][unit] for one in rounds) for mode in modes} for unit in ("cpu_s", "clock_s"))
    print(f"\n{title} ({path.stat().st_size / MIB:,.0f} MiB)          processor s    by the clock    peak MB")
    for mode in cpu:
        peak = max(one[mode]["peak_mb"] for one in rounds)
        print(f"  {mode:<40}{cpu[mode]:>10.2f}{clock[mode]:>16.2f}{peak:>11,}")
    return {
        "validate_ratio_1": round(cpu["baseline"] / cpu["one"], 2),
        "validate_ratio_2": round(cpu["baseline"] / cpu["two"], 2),
        "validate_clock_ratio_1": round(clock["baseline"] / clock["one"], 2),
        "validate_clock_ratio_2": round(clock["baseline"] / clock["two"], 2),
        "validate_floor_ratio": round(cpu["one"] / cpu["floor"], 2),
    }


def peaks(size: str, path: Path) -> dict[str, int]:
    """The peak memory of the command, in MiB, with one process and with two, whose shared memory counts once."""
    one, two = measure("command", path), measure("command-two", path)
    print(f"\ntuneloop validate on {size} lines: {one['peak_mb']} MB, with two processes {two['peak_mb']} MB together")
    return {f"peak_mb_{size}": one["peak_mb"], f"peak_mb_{size}_two": two["peak_mb"]}


def measure(mode: str, path: Path) -> Measured:
    """The figures of one measurement, made in a process of its own."""
    command = [sys.executable, "-m", "bench.data.measurement", mode, str(path)]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    finished = subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603
    measured: Measured = json.loads(finished.stdout)
    return measured


def print_stages(stages: dict[str, float]) -> None:
    """Print where the time goes, in microseconds for each line."""
    total = sum(stages.values())
    print("\nWhere the time of one process goes                      µs a line     share")
    for stage, micros in stages.items():
        print(f"  {stage:<50}{micros:>12.1f}{micros / total:>10.0%}")


def environment() -> dict[str, Any]:
    """The machine and the libraries with which the figures were measured."""
    cpu = ""
    with suppress(OSError):
        names = (line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name"))
        cpu = next(islice(names, 1), "").partition(":")[2].strip()
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cpu": cpu,
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "libraries": {name: version(name) for name in ("msgspec", "orjson", "splintr-rs", "tiktoken", "pydantic")},
        "vocabulary": TIKTOKEN.name,
        "ratios": "of processor time, best of two",
    }
