"""Validation: a file read line by line, what is wrong with each line, and what is odd about the whole.

The file is never held, so that a million lines take about the memory of a thousand. Of several processes each reads all
of the file and inspects every so many blocks of its lines: reading takes next to nothing beside counting tokens.
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
from tuneloop.validation.line_checks import FORKS, CheckedLine, check_line, full_check
from tuneloop.validation.line_parser import Numbered, isolate_line, number_lines
from tuneloop.validation.local_files import FAULTS, Progress, ReadSettings, lines_of, problem_of
from tuneloop.validation.report import FileReport, Findings
from tuneloop.validation.tokens import count_text, forget

TOKEN_LIMIT = 65_536  # of one example, with OpenAI's gpt-4o and gpt-4.1 families, read 2026-11
BLOCK_LINES = 256
ENDED = Problem(
    line=0,
    path="$",
    code="process_ended",
    message="A process that read a part of the file was ended from outside, by lack of memory perhaps. Read it by one.",
)
OTHER_FORMAT = {
    True: "This is a preference pair; a supervised line has `messages`, the assistant's last.",
    False: "This is a supervised line; a preference pair has `input`, `preferred_output` and `non_preferred_output`.",
}

Seen = tuple[int, CheckedLine | list[Problem]]


class FileFormat(StrEnum):
    """What the lines of a file are to be: each what it is, all supervised, or all preference pairs."""

    AUTO = "auto"
    SFT = "sft"
    PREFERENCE = "preference"


class Task(NamedTuple):
    """A file, and which of its blocks to inspect: every `of`-th from `part` on."""

    path: Path
    form: FileFormat = FileFormat.AUTO
    token_limit: int = TOKEN_LIMIT
    settings: ReadSettings = ReadSettings()
    part: int = 0
    of: int = 1

    @property
    def is_divisible(self) -> bool:
        """Whether several processes can read it: a pipe gives each byte once, and a CSV is known from its start on."""
        return self.path.is_file() and not is_table(self.path.name)


def validate(task: Task, *, processes: int = 1, on_read: Progress | None = None) -> FileReport:
    """What is found in the task's file by so many processes; `on_read` is told how many of its bytes were read."""
    of = processes if task.is_divisible else 1
    if of > 1:
        count_text("ß")  # loads the vocabulary, and what texts beyond ASCII need, once for all processes made after it
    with ExitStack() as stack:
        others = [stack.enter_context(_elsewhere(task._replace(part=part, of=of))) for part in range(1, of)]
        findings = findings_of(task._replace(of=of), on_read)
        for other in others:
            _include(findings, other)
    return findings.report(task.token_limit, "records" if is_table(task.path.name) else "lines")


def _include(findings: Findings, other: Connection) -> None:
    try:
        findings.include(other.recv())
        while portion := other.recv():
            findings.duplicates.include(portion)
    except EOFError:
        findings.broken = ENDED


@contextmanager
def _elsewhere(task: Task) -> Iterator[Connection]:
    """A process for the task; what it finds comes through the connection."""
    context: Any = get_context("fork" if FORKS else "spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(task, there), daemon=True)
    process.start()
    there.close()
    try:
        yield here
    finally:
        here.close()
        process.join()


def _send(task: Task, there: Connection) -> None:
    """Send what is found, the hashes in portions so that they are never held twice, and that it is all."""
    findings = findings_of(task)
    duplicates, findings.duplicates = findings.duplicates, Duplicates()
    with suppress(BrokenPipeError):  # nobody waits for it any more
        for part in (findings, *duplicates.portions(), None):
            there.send(part)


def findings_of(task: Task, on_read: Progress | None = None) -> Findings:
    """What is found in the task's part of the file."""
    findings = Findings(task.of, task.settings.policy)
    number, wanted = 0, None if task.form == FileFormat.AUTO else task.form == FileFormat.PREFERENCE
    try:
        for number, found in _seen(task, on_read):
            if not isinstance(found, CheckedLine):
                findings.refuse(found)
            elif wanted is not None and found.is_preference != wanted:
                message = OTHER_FORMAT[found.is_preference]
                findings.refuse([Problem(line=number, path="$", code="wrong_format", message=message)])
            else:
                findings.add(number, found, task.token_limit)
    except FAULTS as fault:
        findings.broken = problem_of(fault, number)
    forget()
    return findings


def _seen(task: Task, on_read: Progress | None) -> Iterator[Seen]:
    """What each line of the task's part is, with its number."""
    template, columns = task.settings.template, task.settings.csv
    if is_table(task.path.name):
        for record in csv_records(lines_of(task.path, on_read), columns):
            yield record.line, isolate_line(record.line, full_check, record, template)
        return
    for number, line in _own(number_lines(lines_of(task.path, on_read)), task):
        yield number, check_line(line, number, template)


def _own(lines: Iterator[Numbered], task: Task) -> Iterator[Numbered]:
    """The task's part of the lines."""
    if task.of == 1:
        return lines
    blocks = iter(lambda: list(islice(lines, BLOCK_LINES)), [])
    return chain.from_iterable(islice(blocks, task.part, None, task.of))
