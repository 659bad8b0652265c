"""File statistics: one pass counts what the rules would count, and goes by the rules where it has to alone."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from tests.examples import chat
from tests.unit.chats import TOOL, packed
from tests.unit.lines import LINES, count_by_rules
from tuneloop.cli import file_statistics
from tuneloop.cli.file_statistics import SAMPLED_EXAMPLES, FileCount, fast_count
from tuneloop.domain.datasets.records import Record, read_record
from tuneloop.validation.local_files import ReadSettings

OURS = {"split": "test", "subject": "u1", "category": "refund", "source": "app", "quality": 0.5}
QUICK: list[dict[str, Any]] = [
    chat("Où est ma  COMMANDE ?", " Envoyée "),
    chat("hi", "hello", system="Be kind.", created_at="2026-11-21T10:00:00+01:00", **OURS),
    chat("hi", '{"intent": "refund", "a": 1}', tools=[TOOL]),
]
PICTURE = {"type": "image_url", "image_url": {"url": "https://example.org/a.png", "detail": "low"}}


@pytest.mark.parametrize("row", QUICK)
@pytest.mark.parametrize("is_escaped", [True, False])
def test_usual_lines_are_counted_by_the_types_as_by_the_rules(row: dict[str, Any], is_escaped: bool) -> None:
    line = json.dumps(row, ensure_ascii=is_escaped).encode()

    assert fast_count(line) == count_by_rules(line) is not None


@given(LINES)
def test_what_the_types_count_the_rules_count_too(line: bytes) -> None:
    assert fast_count(line) in (None, count_by_rules(line))


@pytest.mark.parametrize("is_escaped", [True, False])
def test_a_line_with_an_image_is_read_by_the_rules(is_escaped: bool, tmp_path: Path) -> None:
    asked = {"role": "user", "content": [{"type": "text", "text": "Which card?"}, PICTURE]}
    shown = packed({"messages": [asked, {"role": "assistant", "content": "late"}]})
    shown = shown.replace(b'"image_url"', b'"image_\\u0075rl"') if is_escaped else shown
    file = tmp_path / "cards.jsonl"
    file.write_bytes(b"\n".join([packed(chat("hi", "hello"))] * SAMPLED_EXAMPLES + [shown]))
    count = FileCount(file, ReadSettings())

    assert count.statistics().examples == SAMPLED_EXAMPLES + 1
    assert (fast_count(shown), count.images.images) == (None, 1)


def test_a_file_is_read_once_and_only_the_sample_by_the_rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "cards.jsonl"
    file.write_bytes(
        b"\n".join(packed(chat(f"Where is card {number}?", "late")) for number in range(3 * SAMPLED_EXAMPLES))
    )
    asked: list[int] = []

    def reading(record: Record, **given: Any) -> object:
        asked.append(record.line)
        return read_record(record, **given)

    monkeypatch.setattr(file_statistics, "read_record", reading)
    count = FileCount(file, ReadSettings())

    assert count.statistics().usable == 3 * SAMPLED_EXAMPLES
    assert asked == list(range(1, SAMPLED_EXAMPLES + 1))
    assert count.answer_tokens == 5  # of the word and of what frames a message
