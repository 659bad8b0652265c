"""Cold starts: the CPU time in which a fresh interpreter imports what a function needs, measured in processes."""

import sys
from os import environ
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from subprocess import run

from infra.functions import FUNCTIONS, FunctionSpec

ROOT = Path(__file__).resolve().parents[2]
PATHS = ":".join(str(ROOT / folder) for folder in ("shared", "functions", "."))


def measure_starts() -> dict[str, float]:
    """CPU seconds of each function's start, less the interpreter's own; one by one, to tell them apart."""
    empty_s = _cpu_s("sys")
    return {spec.name: max(0.0, _cpu_s(_needed(spec)) - empty_s) for spec in FUNCTIONS}


def _needed(spec: FunctionSpec) -> str:
    """The handler, and what it imports only when it is first used."""
    return f"{spec.package}.handler, boto3" + (", openai" if spec.provider_key else "")


def _cpu_s(modules: str) -> float:
    before = getrusage(RUSAGE_CHILDREN)
    run([sys.executable, "-c", f"import {modules}"], check=True, env=environ | {"PYTHONPATH": PATHS})  # noqa: S603 - ours
    after = getrusage(RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
