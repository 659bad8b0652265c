"""Routes that documents, messages and commands name: each exists, and the design's table has them all."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.functions import FUNCTIONS
from tests.functions.openapi_document import DOCUMENT

ROOT = Path(__file__).resolve().parents[3]
METHOD = "(?:GET|POST|PUT|PATCH|DELETE)"
NAMED = re.compile(rf"\b({METHOD}(?: {METHOD})*) ((?:/v1)?/[^\s`\'\",;)?]*)")
REAL = {f"{method.upper()} {path}" for path, methods in DOCUMENT["paths"].items() for method in methods}
TABLES = re.compile(r"^\| route \| function \|\n(.+?)\n\n", re.DOTALL | re.MULTILINE)
# What tells of other servers' routes, of what is to come, or of this one's history.
ELSEWHERE = {"docs/decisions.md", "CHANGELOG.md", "shared/tuneloop/openai_wire/uploads.py"}
GUIDES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
CODE = sorted([*(ROOT / "shared" / "tuneloop").rglob("*.py"), *(ROOT / "functions").rglob("*.py")])


def routes_in(text: str) -> Iterator[str]:
    """The routes that a text names, one by one, as the API has them."""
    for methods, path in NAMED.findall(text):
        for method in methods.split():
            yield f"{method} /v1{path.removeprefix('/v1').rstrip('.:')}"


def looks(route: str) -> str:
    """A route with its places alike, whatever they are called and whatever stands there."""
    return re.sub(r"\{[^}]*\}|…|\.\.\.", "{}", route)


def is_real(route: str) -> bool:
    """Whether there is such a route, with a name or a thing in each of its places."""
    pattern = [re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(real)) for real in REAL]
    return any(re.fullmatch(real, route) for real in pattern)


def test_the_design_s_table_has_every_route_by_its_function_and_no_other() -> None:
    [table] = TABLES.findall((ROOT / "docs" / "design.md").read_text("utf-8"))

    told: dict[str, str] = {}
    for row in table.splitlines()[1:]:
        routes, function = row.strip("| ").rsplit(" | ", 1)
        told |= dict.fromkeys(routes_in(routes), function)

    assert told == {f"{method} {path}": spec.package for spec in FUNCTIONS for method, path in spec.endpoints}
    assert told.keys() == REAL


@pytest.mark.parametrize("file", [*GUIDES, *CODE], ids=lambda file: str(file.relative_to(ROOT)))
def test_every_route_that_is_named_exists(file: Path) -> None:
    if str(file.relative_to(ROOT)) in ELSEWHERE:
        return

    missing = [route for route in routes_in(file.read_text("utf-8")) if not is_real(route)]

    assert missing == []
