"""Links of the documents: each leads to a file that is there, and to a heading that is in it."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]*))?\)")


def anchors(document: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them of their words."""
    headings = re.findall(r"^#+ (.*)$", document.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken(document: Path) -> Iterator[str]:
    for path, anchor in LINK.findall(document.read_text("utf-8")):
        target = (document.parent / path) if path else document
        if not target.exists() or (anchor and anchor not in anchors(target)):
            yield f"{path}#{anchor}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(document: Path) -> None:
    assert list(broken(document)) == []


def test_every_decision_stands_under_a_topic() -> None:
    decisions = ROOT / "docs" / "decisions.md"
    index, _, rest = decisions.read_text("utf-8").partition("\n## 2026")
    dated = anchors(decisions) - {"decisions", "by-topic"}

    assert rest
    assert dated - set(re.findall(r"\(#([^)]*)\)", index)) == set()
