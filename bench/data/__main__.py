"""The benchmarks of training data: `make bench-data`, or `python -m bench.data validating` for one of them.

What they find is written to `build/bench/data.json`. All of them begin it anew; where only some are run the figures of
the others stay, and `measured` says of each since when. Exit status 1: a required figure is missed.
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

# What each part is called on the command line and in the result, and its module here.
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
    """Run these parts, or all if there are none, and keep what they find together with what the others found."""
    figures = json.loads(result.read_text("utf-8")) if parts and result.is_file() else {}
    result.parent.mkdir(parents=True, exist_ok=True)
    for part in parts or PARTS:
        figures = merge(figures, part, figures_of(part))
        result.write_text(json.dumps(figures, indent=2) + "\n", "utf-8")
    return figures


def figures_of(part: str) -> Figures:
    """What a part finds now."""
    found: Figures = importlib.import_module(f"bench.data.{PARTS[part]}").figures()
    return found


def merge(figures: Figures, part: str, found: Figures) -> Figures:
    """Figures with what a part has found now in place of all that it found before."""
    measured = figures.get(MEASURED, {})
    before = measured.get(part, {}).get("figures", [])
    others = {name: value for name, value in figures.items() if name not in (*before, MEASURED)}
    entry = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "figures": sorted(found)}
    return others | found | {MEASURED: measured | {part: entry}}


if __name__ == "__main__":
    main()
