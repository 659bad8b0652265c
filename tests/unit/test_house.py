"""The rules of the house that no other tool checks: sizes, names, and what is generated."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.functions import FUNCTIONS, FunctionSpec

ROOT = Path(__file__).resolve().parents[2]
CODE = ("shared", "functions", "trainer", "infra", "local", "ops")
# What is as short as code: who looks for a test or a measurement reads it the same way.
BESIDE = ("tests", "bench")
# Longer than this, a file holds more than one concept and a function can't be read in one sitting. There are no
# medians: they were met by cutting what belongs together into pieces.
LONGEST_FILE = 400
LONGEST_FUNCTION = 50
LONGEST_HANDLER = 60


def files(folders: tuple[str, ...] = CODE) -> list[Path]:
    return [path for folder in folders for path in (ROOT / folder).rglob("*.py") if path.stat().st_size]


def lengths_of_functions() -> Iterator[tuple[int, str]]:
    for path in files(CODE + BESIDE):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield (node.end_lineno or node.lineno) - node.lineno + 1, f"{path.name}:{node.name}"


def test_files_are_short() -> None:
    lengths = {path: len(path.read_text("utf-8").splitlines()) for path in files(CODE + BESIDE)}

    assert {path.name: length for path, length in lengths.items() if length > LONGEST_FILE} == {}
    assert {path: n for path, n in lengths.items() if path.name == "handler.py" and n > LONGEST_HANDLER} == {}


def test_functions_are_short() -> None:
    assert [name for length, name in lengths_of_functions() if length > LONGEST_FUNCTION] == []


@pytest.mark.parametrize("spec", FUNCTIONS, ids=lambda spec: spec.name)
def test_a_function_has_one_name_everywhere(spec: FunctionSpec) -> None:
    package = spec.package

    assert (ROOT / "functions" / package / "handler.py").is_file()
    assert (ROOT / "tests" / "functions" / package / f"test_{package}.py").is_file()
    assert list((ROOT / "events").glob(f"{package}.*.json"))


def test_no_function_folder_is_missing_from_the_table() -> None:
    folders = {path.parent.name for path in (ROOT / "functions").glob("*/handler.py")}

    assert folders == {spec.package for spec in FUNCTIONS}


def test_one_module_says_what_a_run_is_billed_for() -> None:
    inside = {"training/costs.py", "training/model_offers.py"}

    multiplying = {"/".join(path.parts[-2:]) for path in files() if "epochs_of(" in path.read_text("utf-8")}

    assert multiplying <= inside, "use `costs.billable_of`: an estimate and a bill must not differ"
