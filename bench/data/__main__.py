"""The benchmarks of training data: `make bench-data`, or `python -m bench.data validating` for one of them.

Their figures are written to `build/bench/data.json`. A run of all benchmarks begins the file anew; a run of some keeps
the figures of the others, and `measured` says when each was measured. Exit status 1 means that a required figure is
missed.
"""

import argparse
import importlib
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.data.requirements import is_missed, table

# The module of each part, by the part's name on the command line and in the result.
PARTS = {"validating": "validation", "exporting": "export", "listing": "example_list"}
RESULT = Path(__file__).resolve().parents[2] / "build" / "bench" / "data.json"
MEASURED = "measured"

Figures = dict[str, Any]


def main() -> None:
    """Run the benchmarks that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=[], help="which to run; all if none is named")
    figures = run(parser.parse_args().parts, RESULT)
    print(f"\n{json.dumps(figures, indent=2)}\n\nWritten to {RESULT}\n\n{table(figures)}")
    sys.exit(is_missed(figures))


def run(parts: Sequence[str], result: Path) -> Figures:
    """Run these parts, or all if there are none, and store their figures together with those of the others."""
    figures = json.loads(result.read_text("utf-8")) if parts and result.is_file() else {}
    result.parent.mkdir(parents=True, exist_ok=True)
    for part in parts or PARTS:
        figures = merge(figures, part, figures_of(part))
        result.write_text(json.dumps(figures, indent=2) + "\n", "utf-8")
    return figures


def figures_of(part: str) -> Figures:
    """Run the benchmark of a part, and return its figures."""
    measured: Figures = importlib.import_module(f"bench.data.{PARTS[part]}").figures()
    return measured


def merge(figures: Figures, part: str, new: Figures) -> Figures:
    """The figures with a part's new ones in place of all its former ones."""
    measured = figures.get(MEASURED, {})
    former = measured.get(part, {}).get("figures", [])
    others = {name: value for name, value in figures.items() if name not in (*former, MEASURED)}
    entry = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "figures": sorted(new)}
    return others | new | {MEASURED: measured | {part: entry}}


if __name__ == "__main__":
    main()
