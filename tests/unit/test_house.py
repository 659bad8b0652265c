"""The rules of the house that no other tool checks: sizes, names, and what is generated."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeGuard

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


def test_every_function_that_has_a_public_name_says_what_it_is_for() -> None:
    silent = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in files((*CODE, "bench", "docs"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if not node.name.startswith("_") and not ast.get_docstring(node)
    ]

    assert silent == [], "ruff asks for docstrings at the top of a module alone, and readers arrive at any function"


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


# A word that ends so is a gerund or a participle, unless it is the field's own noun or no such form at all.
LIKE_A_PARTICIPLE = re.compile(r"\w+(ing|ed)")
IRREGULAR = frozenset({
    "gone", "heard", "held", "kept", "known", "learnt", "left", "made", "said", "seen", "taught", "told", "unseen",
    "untold",
})  # fmt: skip
NOUNS = frozenset({
    "billing", "encoding", "everything", "hosting", "matching", "nothing", "overfitting", "pricing",
    "routing", "seed", "serving", "setting", "something", "speed", "spending", "streaming", "string", "training",
    "tuning", "warning",
})  # fmt: skip
PREPOSITIONS = frozenset({
    "after", "again", "anew", "as", "at", "back", "by", "for", "from", "in", "of", "on", "quickly", "to",
})  # fmt: skip


def is_participle(name: str) -> bool:
    """Whether a name says neither a thing nor a verb: `letting_go`, `collected`, `asked_of`; not `stored_line`.

    Of a participle before a noun the whole is a noun. A name that begins with `is` or `has` is a question.
    """
    words = name.strip("_").split("_")
    if words[0] in ("is", "has", "are", "may"):
        return False
    while len(words) > 1 and words[-1] in PREPOSITIONS:
        words.pop()
    last = words[-1]
    is_form = last in IRREGULAR or (LIKE_A_PARTICIPLE.fullmatch(last) is not None and last not in NOUNS)
    return is_form and (len(words) == 1 or last.endswith("ing"))


def named_by_participles() -> Iterator[str]:
    """Each file and each public function or method that is so named, with its folder, which outlives a file's name."""
    for path in files((*CODE, *BESIDE)):
        folder = path.parent.relative_to(ROOT).as_posix()
        if is_participle(path.stem.removeprefix("test_")):
            yield f"{folder} {path.name}"
        if folder.startswith("tests"):
            continue
        functions = filter(is_called, ast.walk(ast.parse(path.read_text("utf-8"))))
        yield from (f"{folder} {node.name}" for node in functions if is_participle(node.name))


def is_called(node: ast.AST) -> TypeGuard[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Whether it is a public function or method; a property is read, and named as a value is (`run.trained`)."""
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or node.name.startswith("_"):
        return False
    return not any(isinstance(mark, ast.Name) and mark.id.endswith("property") for mark in node.decorator_list)


def test_files_are_named_by_nouns_or_verbs_and_functions_by_verbs() -> None:
    assert set(named_by_participles()) == set(), "name it by the noun it holds or the verb it does"


def test_no_two_public_classes_share_a_name() -> None:
    places: dict[str, list[str]] = {}
    for path in files():
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(path.relative_to(ROOT).as_posix())

    assert {name: found for name, found in places.items() if len(found) > 1} == {}, "one name, one meaning"


def test_the_glossary_names_what_exists() -> None:
    rows = re.findall(r"^\|.*\| ([^|]+) \|$", (ROOT / "docs" / "glossary.md").read_text("utf-8"), re.M)
    places = [place for row in rows for place in re.findall(r"`([\w/]+\.py)`(?: `(\w+)`)?", row)]

    assert len(places) > 40
    assert [place for place in places if not is_defined(*place)] == [], "docs/glossary.md names what is gone"


def is_defined(path: str, name: str) -> bool:
    """Whether there is such a file, at the root or in the common layer, and the name at its top, if one is given."""
    file = next((file for file in (ROOT / path, ROOT / "shared" / "tuneloop" / path) if file.is_file()), None)
    return file is not None and (
        not name or re.search(rf"^(class|def) {name}\b", file.read_text("utf-8"), re.M) is not None
    )
