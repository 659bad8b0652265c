"""The benchmarks of training data: `make bench-data`, or `python -m bench.data validating` for one of them.

What they find is merged into `build/bench/data.json`; figures of a benchmark that wasn't run stay as they were.
"""

import argparse
import importlib
import json
from pathlib import Path

PARTS = ("validating", "exporting", "listing")
RESULT = Path(__file__).resolve().parents[2] / "build" / "bench" / "data.json"


def main() -> None:
    """Run the benchmarks that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=[], help="which to run; all if none is named")
    parts = parser.parse_args().parts or PARTS
    figures = json.loads(RESULT.read_text("utf-8")) if RESULT.is_file() else {}
    for part in parts:
        figures |= importlib.import_module(f"bench.data.{part}").figures()
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(figures, indent=2) + "\n", "utf-8")
    print(f"\n{json.dumps(figures, indent=2)}\n\nWritten to {RESULT}")


if __name__ == "__main__":
    main()
