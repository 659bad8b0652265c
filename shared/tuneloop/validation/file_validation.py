"""File validation: checks a file line by line, and reports problems of lines and warnings about the whole file.

The file is never held in memory: a million lines take about as much memory as a thousand. If there are several
processes, each reads the whole file and checks its share of the blocks of lines, since reading takes next to no time
compared with counting tokens.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from enum import StrEnum
from itertools import chain, islice
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from tuneloop.domain.chat.examples import Problem
from tuneloop.domain.datasets.csv_reader import csv_records
from tuneloop.domain.datasets.file_warnings import Duplicates
from tuneloop.validation.decompress import is_table
from tuneloop.validation.line_checks import CAN_FORK, CheckedLine, check_line, full_check
from tuneloop.validation.line_parser import NumberedLine, isolate_line, number_lines
from tuneloop.validation.local_files import READ_ERRORS, Progress, ReadSettings, lines_of, problem_of
from tuneloop.validation.report import FileReport, Findings
from tuneloop.validation.tokens import clear_caches, count_text

# Tokens per example that OpenAI's gpt-4o and gpt-4.1 families train on, read 2026-11. Also assumed for base models
# whose limit is unknown.
TOKEN_LIMIT = 65_536
BLOCK_LINES = 256  # dealt to the processes in turn; small enough that a short file is divided evenly too
PROCESS_ENDED = Problem(
    line=0,
    path="$",
    code="process_ended",
    message="A process that read a part of the file was ended from outside, by lack of memory perhaps. Read it by one.",
)
OTHER_FORMAT = {
    True: "This is a preference pair; a supervised line has `messages`, the assistant's last.",
    False: "This is a supervised line; a preference pair has `input`, `preferred_output` and `non_preferred_output`.",
}

NumberedCheck = tuple[int, CheckedLine | list[Problem]]


class FileFormat(StrEnum):
    """The format that all lines of a file must have; AUTO allows both supervised lines and preference pairs."""

    AUTO = "auto"
    SFT = "sft"
    PREFERENCE = "preference"


class Task(NamedTuple):
    """A file to check, and the share of one process in it: of every `parts` blocks, the one with the number `part`."""

    path: Path
    form: FileFormat = FileFormat.AUTO
    token_limit: int = TOKEN_LIMIT
    settings: ReadSettings = ReadSettings()
    part: int = 0
    parts: int = 1

    @property
    def is_divisible(self) -> bool:
        """Whether several processes can read the file; they can't read a pipe, nor a CSV, whose header comes first."""
        return self.path.is_file() and not is_table(self.path.name)


def validate(task: Task, *, processes: int = 1, on_read: Progress | None = None) -> FileReport:
    """The report on a task's file, checked by so many processes; `on_read` is called with the bytes read so far."""
    parts = processes if task.is_divisible else 1
    if parts > 1:
        # Loads the vocabulary, and what texts beyond ASCII need, once for all processes that are forked afterwards.
        count_text("ß")
    with ExitStack() as stack:
        others = [stack.enter_context(_process_for(task._replace(part=part, parts=parts))) for part in range(1, parts)]
        findings = collect_findings(task._replace(parts=parts), on_read)
        for receiver in others:
            _include(findings, receiver)
    return findings.report(task.token_limit, "records" if is_table(task.path.name) else "lines")


def _include(findings: Findings, receiver: Connection) -> None:
    """Add the findings of another process; if it died before sending them all, the file counts as unreadable."""
    try:
        findings.include(receiver.recv())
        while portion := receiver.recv():
            findings.duplicates.include(portion)
    except EOFError:
        findings.broken = PROCESS_ENDED


@contextmanager
def _process_for(task: Task) -> Iterator[Connection]:
    """Start a process that checks a task's share of the file, and yield the connection for its findings."""
    context: Any = get_context("fork" if CAN_FORK else "spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_send_findings, args=(task, sender), daemon=True)
    process.start()
    sender.close()
    try:
        yield receiver
    finally:
        receiver.close()
        process.join()


def _send_findings(task: Task, sender: Connection) -> None:
    """Send a task's findings, then its hashes in portions, as two copies of them take memory, then None."""
    findings = collect_findings(task)
    duplicates, findings.duplicates = findings.duplicates, Duplicates()
    with suppress(BrokenPipeError):  # the command has ended and no longer reads
        for part in (findings, *duplicates.portions(), None):
            sender.send(part)


def collect_findings(task: Task, on_read: Progress | None = None) -> Findings:
    """The findings in a task's share of the file; reading stops at the first error that makes it unreadable."""
    findings = Findings(task.parts, task.settings.policy)
    number, must_be_pair = 0, None if task.form == FileFormat.AUTO else task.form == FileFormat.PREFERENCE
    try:
        for number, checked in _checks(task, on_read):
            if not isinstance(checked, CheckedLine):
                findings.refuse(checked)
            elif must_be_pair is not None and checked.is_preference != must_be_pair:
                message = OTHER_FORMAT[checked.is_preference]
                findings.refuse([Problem(line=number, path="$", code="wrong_format", message=message)])
            else:
                findings.add(number, checked, task.token_limit)
    except READ_ERRORS as error:
        findings.broken = problem_of(error, number)
    clear_caches()
    return findings


def _checks(task: Task, on_read: Progress | None) -> Iterator[NumberedCheck]:
    """The number and the check of each line in a task's share of the file."""
    template, columns = task.settings.template, task.settings.csv
    if is_table(task.path.name):
        for record in csv_records(lines_of(task.path, on_read), columns):
            yield record.line, isolate_line(record.line, full_check, record, template)
        return
    for number, line in _share_of(number_lines(lines_of(task.path, on_read)), task):
        yield number, check_line(line, number, template)


def _share_of(lines: Iterator[NumberedLine], task: Task) -> Iterator[NumberedLine]:
    """The lines in a task's share of the file."""
    if task.parts == 1:
        return lines
    blocks = iter(lambda: list(islice(lines, BLOCK_LINES)), [])
    return chain.from_iterable(islice(blocks, task.part, None, task.parts))
