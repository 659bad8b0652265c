"""File statistics: the examples of a local file, counted as those of a dataset are before an export is frozen.

Statistics, images and the lengths of answers are counted in one pass. A line that fits the strict types is counted by
them, in a tenth of the time that the rules take; other lines are read by the rules. Both ways give equal counts.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from tuneloop.domain.chat.examples import OTHER_ANSWER, Example, Problem
from tuneloop.domain.chat.images import NO_IMAGES, units_of
from tuneloop.domain.datasets.records import Record, read_record
from tuneloop.domain.exports.columns import name_number
from tuneloop.domain.exports.example_counts import ExampleRow, Statistics, compute_statistics
from tuneloop.domain.exports.example_hashes import answer_hash, example_hashes
from tuneloop.domain.exports.policy_filter import Candidate
from tuneloop.store.objects.segments import IMAGE, utc_text
from tuneloop.validation.decompress import is_table
from tuneloop.validation.line_checks import fast_check, read_own_fields
from tuneloop.validation.line_parser import isolate_line, number_lines, record_of
from tuneloop.validation.local_files import ReadSettings, lines_of, records_of
from tuneloop.validation.tokens import PER_EXAMPLE, count_content, count_messages

# Examples whose answers are counted separately. Each is read by the slow rules, and the average of a thousand is within
# a few percent of that of a million.
SAMPLED_EXAMPLES = 1_000
# JSON may escape the characters of a field's name. Those of `image_url` are lower-case letters and an underscore, which
# lie between U+0050 and U+007F; characters beyond ASCII, which many programs escape, don't match.
may_name_a_field = re.compile(rb"\\u00[5-7]").search


class FileCount:
    """One pass over a file with a dataset's settings; `images` and `answer_tokens` are complete at its end."""

    def __init__(self, file: Path, settings: ReadSettings) -> None:
        self._file, self._settings = file, settings
        self._answers: list[int] = []
        self.images = NO_IMAGES

    @property
    def answer_tokens(self) -> float | None:
        """The average tokens of an answer in the first `SAMPLED_EXAMPLES`; None before any example was read."""
        return sum(self._answers) / len(self._answers) if self._answers else None

    def statistics(self) -> Statistics:
        """The statistics of the file's examples, as if none of them had been reviewed."""
        return compute_statistics(self._examples(), self._settings.policy, revision=0, updated_at=None)

    def _examples(self) -> Iterator[ExampleRow]:
        rows: Iterator[ExampleRow | list[Problem]]
        if is_table(self._file.name):
            records = records_of(self._file, self._settings.csv)
            rows = (isolate_line(record.line, self._count_by_rules, record) for record in records)
        else:
            lines = number_lines(lines_of(self._file))
            rows = (isolate_line(number, self._count_line, line, number) for number, line in lines)
        return (row for row in rows if isinstance(row, ExampleRow))

    def _count_line(self, line: bytes | None, number: int) -> ExampleRow | list[Problem]:
        is_sampled = len(self._answers) < SAMPLED_EXAMPLES
        return (None if is_sampled or not line else fast_count(line)) or self._count_by_rules(record_of(line, number))

    def _count_by_rules(self, record: Record) -> ExampleRow | list[Problem]:
        example = read_record(record, template=self._settings.template)
        if not isinstance(example, Example):
            return example
        row, images = count_example(example), units_of(example.messages)
        if images:
            self.images += images
        if len(self._answers) < SAMPLED_EXAMPLES:
            self._answers.append(count_messages(example.messages[-1:]) - PER_EXAMPLE)
        return row


def count_example(example: Example) -> ExampleRow:
    """The row of an example that was read by the rules."""
    hashes = example_hashes(example)
    return ExampleRow(
        _candidate_of(example),
        preference=OTHER_ANSWER in example.content,
        tokens=count_content(example.content),
        characters=hashes.characters,
        answer=int(hashes.answer_hash, 16),
        subject=name_number(example.subject),
    )


def fast_count(line: bytes) -> ExampleRow | None:
    """The row of a supervised line, by the strict types; None if the line must be read by the rules.

    It must if it doesn't fit the types, is a preference pair, calls functions, or may have images.
    """
    if IMAGE in line or may_name_a_field(line):
        return None
    checked = fast_check(line)
    if checked is None or checked.answer is None or checked.is_preference:
        return None
    own = read_own_fields(line)
    return ExampleRow(
        _candidate_of(own) if own else Candidate(),
        preference=False,
        tokens=checked.tokens,
        characters=checked.characters or 0,
        answer=int(answer_hash(checked.answer), 16),
        subject=name_number(own.subject) if own else 0,
    )


def _candidate_of(example: Example) -> Candidate:
    return Candidate(
        split=example.split,
        category=example.category,
        source=example.source,
        quality=example.quality,
        created_at=utc_text(example.created_at),
    )
