"""File statistics: what a file on this machine holds, counted as a dataset of it would be before a freeze.

Statistics, images and the length of answers are had in one pass. A line that fits the strict types is counted by them,
which takes a tenth of the time that the rules take; all others are read by the rules. Both ways count the same.
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
from tuneloop.store.objects.image_lines import IMAGE
from tuneloop.store.objects.stored_lines import utc_text
from tuneloop.validation.decompress import is_table
from tuneloop.validation.line_checks import fast_check, fields_of_ours
from tuneloop.validation.line_parser import isolate_line, number_lines, record_of
from tuneloop.validation.local_files import ReadSettings, lines_of, records_of
from tuneloop.validation.tokens import PER_EXAMPLE, count_content, count_messages

# Examples whose answers are measured: the average of a thousand is within a few percent of that of a million, and each
# of them is read by the rules.
SAMPLED = 1_000
# In a file of somebody else's the name of a field may be written by its characters' numbers: `image_url` has none but
# small letters and a low line. Letters beyond ASCII, which many programs write so, are not among these.
may_name_a_field = re.compile(rb"\\u00[5-7]").search


class FileCount:
    """One pass over a file by a dataset's settings, and what was found besides once it is over."""

    def __init__(self, file: Path, settings: ReadSettings) -> None:
        self._file, self._settings = file, settings
        self._answers: list[int] = []
        self.images = NO_IMAGES

    @property
    def answer_tokens(self) -> float | None:
        """The tokens of an answer, by the first thousand examples."""
        return sum(self._answers) / len(self._answers) if self._answers else None

    def statistics(self) -> Statistics:
        """The figures of the file's examples by the latest rules; nobody has reviewed them yet."""
        return compute_statistics(self._examples(), self._settings.policy, revision=0, updated_at=None)

    def _examples(self) -> Iterator[ExampleRow]:
        found: Iterator[ExampleRow | list[Problem]]
        if is_table(self._file.name):
            records = records_of(self._file, self._settings.csv)
            found = (isolate_line(record.line, self._by_rules, record) for record in records)
        else:
            lines = number_lines(lines_of(self._file))
            found = (isolate_line(number, self._counted, line, number) for number, line in lines)
        return (each for each in found if isinstance(each, ExampleRow))

    def _counted(self, line: bytes | None, number: int) -> ExampleRow | list[Problem]:
        is_sampled = len(self._answers) < SAMPLED
        return (None if is_sampled or not line else fast_count(line)) or self._by_rules(record_of(line, number))

    def _by_rules(self, record: Record) -> ExampleRow | list[Problem]:
        example = read_record(record, template=self._settings.template)
        if not isinstance(example, Example):
            return example
        counted, shown = count_example(example), units_of(example.messages)
        if shown:
            self.images += shown
        if len(self._answers) < SAMPLED:
            self._answers.append(count_messages(example.messages[-1:]) - PER_EXAMPLE)
        return counted


def count_example(example: Example) -> ExampleRow:
    """What is counted of an example."""
    facts = example_hashes(example)
    return ExampleRow(
        _candidate_of(example),
        preference=OTHER_ANSWER in example.content,
        tokens=count_content(example.content),
        characters=facts.characters,
        answer=int(facts.answer, 16),
        subject=name_number(example.subject),
    )


def fast_count(line: bytes) -> ExampleRow | None:
    """What is counted of a supervised line that fits the strict types; None where the rules have to read it.

    They do where it is a preference pair, calls functions, or may show images.
    """
    if IMAGE in line or may_name_a_field(line):
        return None
    found = fast_check(line)
    if found is None or found.answer is None or found.is_preference:
        return None
    ours = fields_of_ours(line)
    return ExampleRow(
        _candidate_of(ours) if ours else Candidate(),
        preference=False,
        tokens=found.tokens,
        characters=found.characters or 0,
        answer=int(answer_hash(found.answer), 16),
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
