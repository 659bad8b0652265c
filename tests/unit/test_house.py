"""The rules of the house that no other tool checks: sizes, names, and what is generated."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from infra.functions import FUNCTIONS, FunctionSpec

ROOT = Path(__file__).resolve().parents[2]
CODE = ("shared", "functions", "trainer", "infra", "local", "ops")
# What is as short as code: who looks for a test or a measurement reads it the same way.
BESIDE = ("tests", "bench", "docs")
# Longer than this, a file holds more than one concept and a function can't be read in one sitting. There are no
# medians: they were met by cutting what belongs together into pieces.
LONGEST_FILE = 400
LONGEST_FUNCTION = 50
LONGEST_HANDLER = 60
# A failure is named on one line behind its path: beyond this a test's name no longer fits beside it.
LONGEST_TEST_NAME = 70


def files(folders: tuple[str, ...] = CODE) -> list[Path]:
    """The Python files of these folders; none may be without any, or a check would pass that looks at nothing."""
    found = {folder: [path for path in (ROOT / folder).rglob("*.py") if path.stat().st_size] for folder in folders}
    assert [folder for folder, paths in found.items() if not paths] == []
    return [path for paths in found.values() for path in paths]


class Function(NamedTuple):
    """What the checks need to know of a function; `is_property` of one that is read as a value is."""

    name: str
    line: int
    length: int
    is_described: bool
    is_property: bool


@cache  # several checks go through the same files, and parsing one takes longer than all that they do with it
def parsed(path: Path) -> tuple[list[Function], list[str]]:
    """Every function of a file, nested ones too, and the classes at its top."""
    tree = ast.parse(path.read_text("utf-8"))
    found = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    functions = [
        Function(
            node.name,
            node.lineno,
            (node.end_lineno or node.lineno) - node.lineno + 1,
            bool(ast.get_docstring(node)),
            any(isinstance(mark, ast.Name) and mark.id.endswith("property") for mark in node.decorator_list),
        )
        for node in found
    ]
    return functions, [node.name for node in tree.body if isinstance(node, ast.ClassDef)]


def test_files_are_short() -> None:
    lengths = {path: len(path.read_text("utf-8").splitlines()) for path in files(CODE + BESIDE)}

    assert {path.name: length for path, length in lengths.items() if length > LONGEST_FILE} == {}
    assert {path: n for path, n in lengths.items() if path.name == "handler.py" and n > LONGEST_HANDLER} == {}


def test_functions_are_short() -> None:
    functions = [(path.name, function) for path in files(CODE + BESIDE) for function in parsed(path)[0]]

    assert [f"{name}:{function.name}" for name, function in functions if function.length > LONGEST_FUNCTION] == []


def test_names_of_tests_are_short() -> None:
    names = [
        f"{path.relative_to(ROOT)}:{function.line} {function.name}"
        for path in files(("tests",))
        for function in parsed(path)[0]
        if function.name.startswith("test_") and len(function.name) > LONGEST_TEST_NAME
    ]

    assert names == [], "say what is proved, in the field's terms, and leave the how to the test"


def test_every_function_that_has_a_public_name_says_what_it_is_for() -> None:
    silent = [
        f"{path.relative_to(ROOT)}:{function.line} {function.name}"
        for path in files((*CODE, "bench", "docs"))
        for function in parsed(path)[0]
        if not function.name.startswith("_") and not function.is_described
    ]

    assert silent == [], "ruff asks for docstrings at the top of a module alone, and readers arrive at any function"


@pytest.mark.parametrize("spec", FUNCTIONS, ids=lambda spec: spec.name)
def test_a_function_has_one_name_everywhere(spec: FunctionSpec) -> None:
    package = spec.package

    assert (ROOT / "functions" / package / "handler.py").is_file()
    assert (ROOT / "tests" / "functions" / package / f"test_{package}.py").is_file()
    assert list((ROOT / "events").glob(f"{package}.*.json"))


def test_no_function_folder_is_missing_from_the_table() -> None:
    # What git leaves of a folder that was renamed holds `__pycache__` alone, a name without a dot.
    folders = {path.name for path in (ROOT / "functions").iterdir() if any(path.glob("*.*"))}

    assert folders == {spec.package for spec in FUNCTIONS}


def test_one_module_says_what_a_run_is_billed_for() -> None:
    training = "shared/tuneloop/domain/training"

    multiplying = {path.relative_to(ROOT).as_posix() for path in files() if "epochs_of(" in path.read_text("utf-8")}

    assert multiplying == {f"{training}/costs.py", f"{training}/model_offers.py"}, (
        "use `costs.billable_of`: an estimate and a bill must not differ"
    )


# A word that ends so is a gerund or a participle, unless it is the field's own noun or no such form at all.
LIKE_A_PARTICIPLE = re.compile(r"\w+(ing|ed)")
IRREGULAR = frozenset({
    "begun", "built", "chosen", "done", "found", "given", "gone", "heard", "held", "kept", "known", "learnt", "left",
    "lost", "made", "said", "seen", "sent", "shown", "taken", "taught", "told", "unseen", "untold", "written",
})  # fmt: skip
NOUNS = frozenset({
    "encoding", "hosting", "nothing", "overfitting", "pricing", "routing", "serving", "something", "spending",
    "streaming", "training", "tuning", "warning",
})  # fmt: skip
# What follows a participle and hides it from a look at the last word.
PARTICLES = frozenset({
    "after", "again", "anew", "as", "at", "back", "by", "down", "for", "from", "go", "in", "of", "off", "on", "out",
    "quickly", "since", "to", "up", "within",
})  # fmt: skip


def is_participle(name: str) -> bool:
    """Whether a name says neither a thing nor a verb: `letting_go`, `collected`, `asked_of`; not `stored_line`.

    A participle before a noun makes a noun of the whole, and one behind a word is its object (`read_removed`) unless
    it is a gerund. A name that begins with `is` or `has` is a question.
    """
    words = name.strip("_").split("_")
    if words[0] in ("is", "has", "are", "may"):
        return False
    while len(words) > 1 and words[-1] in PARTICLES:
        words.pop()
    last = words[-1]
    is_form = last in IRREGULAR or (LIKE_A_PARTICIPLE.fullmatch(last) is not None and last not in NOUNS)
    return is_form and (len(words) == 1 or last.endswith("ing"))


@pytest.mark.parametrize(
    "name",
    [
        "letting_go", "collected", "asked_of", "closed_since", "answering_within", "_still_waiting", "taken", "written",
        "shown_to", "begun", "sent_again", "given", "done", "lost", "found_in", "built", "chosen",
    ],
)  # fmt: skip
def test_a_participle_is_no_name(name: str) -> None:
    assert is_participle(name)


@pytest.mark.parametrize(
    "name",
    [
        "stored_line", "read_removed", "answer_within", "is_trained", "has_failed", "not_found", "says_nothing",
        "fine_tuning", "training", "cost_of_training",
    ],
)  # fmt: skip
def test_a_noun_a_verb_or_a_question_is_a_name(name: str) -> None:
    assert not is_participle(name)


def checked_names() -> Iterator[tuple[str, str]]:
    """The folder and the name of each file and of each public function or method; those of tests are free."""
    for path in files((*CODE, *BESIDE)):
        folder = path.parent.relative_to(ROOT).as_posix()
        yield folder, path.stem.removeprefix("test_")
        if not folder.startswith("tests"):
            yield from ((folder, name) for name in called_names(path))


def called_names(path: Path) -> Iterator[str]:
    """Public functions and methods; a property is read, and named as a value is (`run.trained`)."""
    return (each.name for each in parsed(path)[0] if not each.name.startswith("_") and not each.is_property)


def test_files_are_named_by_nouns_or_verbs_and_functions_by_verbs() -> None:
    wrong = {f"{folder} {name}" for folder, name in checked_names() if is_participle(name)}

    assert wrong == set(), "name it by the noun it holds or the verb it does"


def test_each_noun_like_a_participle_is_in_use() -> None:
    assert NOUNS - {name.split("_")[-1] for _, name in checked_names()} == set(), (
        "what no name needs may hide a wrong one"
    )


def test_no_two_public_classes_share_a_name() -> None:
    places: dict[str, list[str]] = {}
    for path in files():
        for name in parsed(path)[1]:
            if not name.startswith("_"):
                places.setdefault(name, []).append(path.relative_to(ROOT).as_posix())

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


# Tests of the tree itself and of its documents: no module of `tuneloop` is theirs.
OF_THE_TREE = frozenset({"test_documents", "test_house"})
# Modules without a unit test of their own, by where their tests are. Checked is that tests are there, no more.
TESTED_BY = {
    # HTTP as callers send it, rows of former releases, and entry points, all at whole functions.
    "functions/cross": {"api/router", "cli/migrate", "runtime/entry_point", "runtime/settle"},
    # Commands that only call the deployed API.
    "e2e": {"cli/chat", "cli/commands", "cli/keys", "cli/offline", "cli/runs"},
    # Adapters: each method of the port against a server that speaks the wire.
    "contract": {
        "providers/answers", "providers/port", "providers/openai/client",
        "providers/bedrock/adapter", "providers/bedrock/base_models", "providers/bedrock/client",
        "providers/bedrock/files", "providers/bedrock/hosting",
    },
    # OpenAI's shapes, as its own SDK reads and sends them.
    "trainer": {
        "openai_wire/errors", "openai_wire/files", "openai_wire/fine_tuning", "openai_wire/models",
        "openai_wire/pages", "openai_wire/shape", "openai_wire/sse", "openai_wire/uploads",
    },
    # Parts of one rule, tested through what applies it.
    "unit/domain/chat/test_examples.py": {"domain/chat/messages", "domain/chat/normalization"},
    "unit/domain/chat/test_rules.py": {"domain/chat/rules/conversations", "domain/chat/rules/lines"},
    "unit/api/test_requests.py": {"domain/core/json_values"},
    "unit/domain/core/test_access.py": {"domain/core/limits"},  # constants
    "unit/domain/evaluation/test_evaluations.py": {"domain/evaluation/verdicts"},
    "unit/domain/exports/test_example_counts.py": {"domain/training/eligibility"},
    "unit/domain/exports/test_selection.py": {"domain/exports/columns"},
    "unit/store/objects/test_search.py": {"domain/datasets/example_filter", "store/objects/merge"},
    "unit/validation/test_line_checks.py": {"validation/fast_schema", "validation/line_parser"},
    "unit/validation/test_file_validation.py": {"validation/report"},
    # Rows and objects that one function keeps, tested with what it does with them.
    "functions/check_status": {"domain/serving/hosting", "domain/serving/verification"},
    "functions/collect_examples": {
        "domain/datasets/drops", "domain/datasets/file_diagnosis", "domain/datasets/origins",
        "store/objects/drop_reader",
    },
    "functions/collect_posts": {"store/repositories/posts"},
    "functions/erase_examples": {
        "domain/datasets/erasures", "store/repositories/erasures", "store/repositories/generations",
    },
    "functions/evaluate": {"store/repositories/fingerprint_backfill"},
    "functions/export_data": {"domain/training/trained_exports", "store/repositories/trained_exports"},
    "functions/launch_finetune": {
        "domain/training/model_offers", "domain/training/providers", "providers/registry",
        "store/repositories/budgets", "store/repositories/providers",
    },
    "functions/record_usage": {"store/repositories/votes"},
    "functions/review_examples": {
        "domain/datasets/reviews", "store/repositories/contents", "store/repositories/statistics",
    },
}  # fmt: skip


def module_of(test: Path) -> str | None:
    """The module or package that a test file stands for: the longest name that its own begins with."""
    place, name = test.parent.relative_to(ROOT / "tests" / "unit"), test.stem.removeprefix("test_")
    while name:
        file = ROOT / "shared" / "tuneloop" / place / name
        if file.with_suffix(".py").is_file() or (file / "__init__.py").is_file():
            return (place / name).as_posix()
        name = name.rpartition("_")[0]
    return None


def test_a_unit_test_stands_where_its_module_stands() -> None:
    tests = [path for path in files(("tests/unit",)) if path.match("test_*.py") and path.stem not in OF_THE_TREE]

    strays = [path.relative_to(ROOT).as_posix() for path in tests if not module_of(path)]
    assert strays == [], "name it by its module: `domain/exports/splits.py` has `domain/exports/test_splits….py`"
    common = "shared/tuneloop"
    modules = {path.relative_to(ROOT / common).with_suffix("").as_posix() for path in files((common,))}
    untested = {each for each in modules if not each.endswith("__init__")} - {module_of(path) for path in tests}
    assert untested == set().union(*TESTED_BY.values()), "write a unit test, or say where its tests are"
    assert [place for place in TESTED_BY if not holds_tests(ROOT / "tests" / place)] == []


def holds_tests(place: Path) -> bool:
    """Whether this file, or one in this folder, has a test."""
    paths = [place] if place.is_file() else place.glob("test_*.py")
    return any(function.name.startswith("test_") for path in paths for function in parsed(path)[0])


def test_no_test_module_is_imported_by_another() -> None:
    importing = re.compile(r"^(?:from|import) tests\.(?:[\w.]*\.)?test_|^from tests[\w.]* import .*\btest_", re.M)

    tests = files(("tests",))
    assert [path.name for path in tests if importing.search(path.read_text("utf-8"))] == [], "move what both use"
