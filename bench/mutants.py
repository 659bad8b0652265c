"""Mutation tests: twenty small faults, each put into a copy of the code, of which a test has to notice.

`make mutants` copies the tree, makes one fault after the other in the copy, and runs the tests that are about it. A
fault that no test notices survives, and then the command ends with status 1. The faults were chosen before the suite
was made faster, and the slower suite found each of them: so a faster one that finds them too is no blinder.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from time import monotonic
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
CODE = ("shared/tuneloop", "functions")
NOT_COPIED = (".git", ".venv", "node_modules", "build", "__pycache__", ".hypothesis", ".*_cache")  # tests need none


class Mutant(NamedTuple):
    """A fault in words, a regular expression that matches once in the code, its replacement, and the tests about it."""

    fault: str
    pattern: str
    replacement: str
    tests: tuple[str, ...]


MUTANTS = (
    Mutant(
        "the gate promotes a version that is not better",
        r"(comparison\.p_value) > (comparison\.alpha)",
        r"\1 > 1 + \2",
        ("evaluations", "evaluate"),
    ),
    Mutant("ties count for the candidate in mid-p", r"point \* \(0\.5 \+", "point * (0.0 +", ("statistics",)),
    Mutant("every look spends all of alpha", r"alpha / look\*\*2 / ", "alpha / ", ("statistics",)),
    Mutant(
        "the share is taken the wrong way round",
        r"(unit_interval\(deployment\.salt, user or call\)) < ",
        r"\1 > ",
        ("routing",),
    ),
    Mutant("a lease never ends", r"return now < self\.until", "return True", ("leases", "launch_finetune")),
    Mutant(
        "overfitting is reported for any rise",
        r"final <= lowest \* \w+ or",
        "False and",
        ("runs_progress",),
    ),
    Mutant(
        "validation is drawn where test should be",
        r"if position < shares\.test:",
        "if position < shares.validation:",
        ("splits",),
    ),
    Mutant("a budget never refuses", r"(or \w+) <= (self\.left_usd)", r"\1 <= 1_000_000 + \2", ("spending", "budgets")),
    Mutant(
        "a repeat is known for a year",
        r"SAME_BODY_WITHIN = timedelta\(minutes=10\)",
        "SAME_BODY_WITHIN = timedelta(days=365)",
        ("repeated_calls",),
    ),
    Mutant("a webhook of last week is taken", r"SKEW_S = 300", "SKEW_S = 3_000_000", ("webhooks",)),
    Mutant(
        "any signature opens the webhook",
        r"if signature is None or not any\(",
        "if signature is None and not any(",
        ("webhooks",),
    ),
    Mutant("a revoked or unknown key passes for ten minutes", r"< CACHED_S:", "< 600 + CACHED_S:", ("authentication",)),
    Mutant(
        "the first write of a row needs no condition",
        r"if not seq:\n(\s+)return _insert\(",
        "if not seq and self.begins < 0:\n\\1return _insert(",
        ("dynamodb", "dynamodb_writes", "runs", "datasets"),
    ),
    Mutant("a sweep ends at the first failure", r"failures \+= 1\n    if", "raise\n    if", ("best_effort",)),
    Mutant(
        "more events go to the bus in a call than it takes",
        r"ENTRIES_PER_CALL = 10",
        "ENTRIES_PER_CALL = 11",
        ("relay_events", "outbox"),
    ),
    Mutant(
        "a rejected example trains",
        r"status == Status\.REJECTED",
        "status == Status.APPROVED",
        ("example_counts", "policy_filter", "review_figures"),
    ),
    Mutant(
        "a line may nest without end",
        r"JSON_DEPTH = 64",
        "JSON_DEPTH = 6_400",
        ("examples", "requests"),
    ),
    Mutant(
        "tokens of the prompt cost nothing",
        r"(?:into|input_rate) \* tokens\.prompt( - saved| \+ output_rate)",
        r"0\1",
        ("pricing", "call_costs"),
    ),
    Mutant(
        "all subjects count as one voter",
        r"def voter_of\(tenant: str, subject: str\) -> str:",
        "def voter_of(tenant: str, subject: str, _: object = None) -> str:\n    subject = ''",
        ("votes",),
    ),
    Mutant(
        "what served before is never asked",
        r"deployment\.stable != 0 and deployment\.previous is not None",
        "False",
        ("routing", "fallback"),
    ),
)


def main(wanted: str = "") -> int:
    """Try every mutant whose fault contains `wanted`; 1 where one survives or can't be made, else 0."""
    mutants = [mutant for mutant in MUTANTS if wanted in mutant.fault]
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*NOT_COPIED))
        if not _tests_pass(copy, sorted({path for mutant in mutants for path in files_about(mutant, copy)})):
            raise SystemExit("The tests fail without any mutant: run them first.")
        found = sum(_is_found(mutant, copy) for mutant in mutants)
    print(f"{found} of {len(mutants)} found")
    return int(found < len(mutants))


def _is_found(mutant: Mutant, copy: Path) -> bool:
    """Whether a test notices a mutant; the copy is restored afterwards."""
    places = places_of(mutant, copy)
    if len(places) != 1:
        print(f"can't be made  {mutant.fault}: its place is in {[path.name for path in places]}")
        return False
    [place] = places
    text, began = place.read_text("utf-8"), monotonic()
    place.write_text(re.sub(mutant.pattern, mutant.replacement, text), "utf-8")
    survives = _tests_pass(copy, files_about(mutant, copy))
    place.write_text(text, "utf-8")
    print(f"{'survives' if survives else 'found':13}  {mutant.fault} ({monotonic() - began:.0f} s)", flush=True)
    return not survives


def places_of(mutant: Mutant, tree: Path) -> list[Path]:
    """The files of the code that a mutant's pattern matches, each as often as it does."""
    paths = [path for folder in CODE for path in (tree / folder).rglob("*.py")]
    return [path for path in paths for _ in re.finditer(mutant.pattern, path.read_text("utf-8"))]


def files_about(mutant: Mutant, copy: Path) -> list[str]:
    """The files of the tests about a mutant; SystemExit where one is gone, since pytest would run all for none."""
    files = {name: [str(path) for path in (copy / "tests").rglob(f"test_{name}.py")] for name in mutant.tests}
    if gone := sorted(name for name, paths in files.items() if not paths):
        raise SystemExit(f"{mutant.fault}: there is no test_{gone[0]}.py.")
    return sorted(path for paths in files.values() for path in paths)


def _tests_pass(copy: Path, tests: list[str]) -> bool:
    paths = os.pathsep.join(str(copy / folder) for folder in ("shared", "functions", "."))
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    env = os.environ | {"PYTHONPATH": paths}
    return not subprocess.run(command, cwd=copy, env=env, capture_output=True, check=False).returncode  # noqa: S603


if __name__ == "__main__":
    sys.exit(main(" ".join(sys.argv[1:])))
