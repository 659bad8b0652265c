"""File statistics: the examples of a file on this machine, counted as a dataset of them would be before a freeze.

Statistics, images and the length of answers are counted in one pass. A line that fits the strict types is counted by
them, which takes a tenth of the time that the rules take; all others are read by the rules. Both ways count the same.
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
from tuneloop.validation.line_checks import fast_check, fields_of_ours
from tuneloop.validation.line_parser import isolate_line, number_lines, record_of
from tuneloop.validation.local_files import ReadSettings, lines_of, records_of
from tuneloop.validation.tokens import PER_EXAMPLE, count_content, count_messages

# Examples whose answers are measured: the average of a thousand is within a few percent of that of a million, and each
# of them is read by the rules.
SAMPLED = 1_000
# JSON may write the name of a field by its characters' numbers. `image_url` has none but small letters and a low line,
# U+0050 to U+007F; letters beyond ASCII, which many programs write so, are not among these.
may_name_a_field = re.compile(rb"\\u00[5-7]").search


class FileCount:
    """One pass over a file by a dataset's settings; images and answer tokens are complete once it is over."""

    def __init__(self, file: Path, settings: ReadSettings) -> None:
        self._file, self._settings = file, settings
        self._answers: list[int] = []
        self.images = NO_IMAGES

    @property
    def answer_tokens(self) -> float | None:
        """The average tokens of an answer, over the first thousand examples; None before any is read."""
        return sum(self._answers) / len(self._answers) if self._answers else None

    def statistics(self) -> Statistics:
        """The statistics of the file's examples by the latest rules, none of them reviewed."""
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
        is_sampled = len(self._answers) < SAMPLED
        return (None if is_sampled or not line else fast_count(line)) or self._count_by_rules(record_of(line, number))

    def _count_by_rules(self, record: Record) -> ExampleRow | list[Problem]:
        example = read_record(record, template=self._settings.template)
        if not isinstance(example, Example):
            return example
        row, images = count_example(example), units_of(example.messages)
        if images:
            self.images += images
        if len(self._answers) < SAMPLED:
            self._answers.append(count_messages(example.messages[-1:]) - PER_EXAMPLE)
        return row


def count_example(example: Example) -> ExampleRow:
    """Count an example that the rules have read."""
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
    """Count a supervised line by the strict types; None where the rules have to read it.

    They have to where it doesn't fit the types, is a preference pair, calls functions, or may show images.
    """
    if IMAGE in line or may_name_a_field(line):
        return None
    checked = fast_check(line)
    if checked is None or checked.answer is None or checked.is_preference:
        return None
    ours = fields_of_ours(line)
    return ExampleRow(
        _candidate_of(ours) if ours else Candidate(),
        preference=False,
        tokens=checked.tokens,
        characters=checked.characters or 0,
        answer=int(answer_hash(checked.answer), 16),
        subject=name_number(ours.subject) if ours else 0,
    )


def _candidate_of(example: Example) -> Candidate:
    return Candidate(
        split=example.split,
        category=example.category,
        source=example.source,
        quality=example.quality,
        created_at=utc_text(example.created_at),
    )
