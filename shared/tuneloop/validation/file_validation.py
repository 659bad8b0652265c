"""File validation: checks a file line by line and reports the problems of lines and the oddities of the whole file.

The file is never held in memory, so that a million lines take about the memory of a thousand. Each of several processes
reads the whole file and checks its own share of the blocks of lines: reading takes next to nothing beside counting
tokens.
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

# Tokens of one example with OpenAI's gpt-4o and gpt-4.1 families, read 2026-11; for base models whose limit is unknown.
TOKEN_LIMIT = 65_536
BLOCK_LINES = 256  # dealt to the processes in turn: small enough that each gets a like share of a short file too
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

NumberedCheck = tuple[int, CheckedLine | list[Problem]]


class FileFormat(StrEnum):
    """The format that all lines of a file must have; AUTO lets each line be supervised or a preference pair."""

    AUTO = "auto"
    SFT = "sft"
    PREFERENCE = "preference"


class Task(NamedTuple):
    """A file to check, and the share of its blocks that one process checks: every `of`-th block from `part` on."""

    path: Path
    form: FileFormat = FileFormat.AUTO
    token_limit: int = TOKEN_LIMIT
    settings: ReadSettings = ReadSettings()
    part: int = 0
    of: int = 1

    @property
    def is_divisible(self) -> bool:
        """Whether several processes can read the file: a pipe gives each byte once, and a CSV needs its head."""
        return self.path.is_file() and not is_table(self.path.name)


def validate(task: Task, *, processes: int = 1, on_read: Progress | None = None) -> FileReport:
    """The report on the task's file, checked by this many processes; `on_read` is called with the bytes read so far."""
    of = processes if task.is_divisible else 1
    if of > 1:
        count_text("ß")  # loads the vocabulary, and what texts beyond ASCII need, once for all processes made after it
    with ExitStack() as stack:
        others = [stack.enter_context(_process_for(task._replace(part=part, of=of))) for part in range(1, of)]
        findings = findings_of(task._replace(of=of), on_read)
        for receiver in others:
            _include(findings, receiver)
    return findings.report(task.token_limit, "records" if is_table(task.path.name) else "lines")


def _include(findings: Findings, receiver: Connection) -> None:
    """Add another process's findings; a process that ended before it sent all of them makes the file unusable."""
    try:
        findings.include(receiver.recv())
        while portion := receiver.recv():
            findings.duplicates.include(portion)
    except EOFError:
        findings.broken = ENDED


@contextmanager
def _process_for(task: Task) -> Iterator[Connection]:
    """A process that checks the task's share of the file; its findings come through the connection."""
    context: Any = get_context("fork" if FORKS else "spawn")
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
    """Send the task's findings, then its hashes in portions, so that they are never held twice, and None at the end."""
    findings = findings_of(task)
    duplicates, findings.duplicates = findings.duplicates, Duplicates()
    with suppress(BrokenPipeError):  # the command was ended, and reads no more
        for part in (findings, *duplicates.portions(), None):
            sender.send(part)


def findings_of(task: Task, on_read: Progress | None = None) -> Findings:
    """The findings in the task's share of the file; reading stops at the first fault that makes it unreadable."""
    findings = Findings(task.of, task.settings.policy)
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
    except FAULTS as fault:
        findings.broken = problem_of(fault, number)
    forget()
    return findings


def _checks(task: Task, on_read: Progress | None) -> Iterator[NumberedCheck]:
    """The number and the check of each line in the task's share of the file."""
    template, columns = task.settings.template, task.settings.csv
    if is_table(task.path.name):
        for record in csv_records(lines_of(task.path, on_read), columns):
            yield record.line, isolate_line(record.line, full_check, record, template)
        return
    for number, line in _share_of(number_lines(lines_of(task.path, on_read)), task):
        yield number, check_line(line, number, template)


def _share_of(lines: Iterator[Numbered], task: Task) -> Iterator[Numbered]:
    """The lines that the task's process checks."""
    if task.of == 1:
        return lines
    blocks = iter(lambda: list(islice(lines, BLOCK_LINES)), [])
    return chain.from_iterable(islice(blocks, task.part, None, task.of))
