"""Validation: a file read line by line, what is wrong with each line, and what is odd about the whole.

The file is never held, so that a million lines take about the memory of a thousand. Of several processes each reads all
of the file and inspects every so many blocks of its lines: reading takes next to nothing beside counting tokens.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from enum import StrEnum
from itertools import chain, islice
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, Any, NamedTuple

from tuneloop.domain.errors import InvalidInput, TooLarge
from tuneloop.domain.examples import Problem
from tuneloop.domain.limits import LINE_BYTES
from tuneloop.domain.tables import Unreadable, csv_records
from tuneloop.domain.warnings import Duplicates
from tuneloop.findings import Findings, Report
from tuneloop.inspection import FORKS, Inspected, quickly, slowly
from tuneloop.parsing import record_of
from tuneloop.store.unpacking import chunks, split_lines, unpacked
from tuneloop.tokens import count_text, forget

TOKEN_LIMIT = 65_536  # of one example, with OpenAI's gpt-4o and gpt-4.1 families, read 2026-11
BLOCK_LINES = 256
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
PACKED = (".gz", ".zst")
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

Progress = Callable[[int], None]
Numbered = tuple[int, bytes | None]
Seen = tuple[int, Inspected | list[Problem]]


class Format(StrEnum):
    """What the lines of a file are to be: each what it is, all supervised, or all preference pairs."""

    AUTO = "auto"
    SFT = "sft"
    PREFERENCE = "preference"


class Task(NamedTuple):
    """A file, and which of its blocks to inspect: every `of`-th from `part` on."""

    path: Path
    form: Format = Format.AUTO
    token_limit: int = TOKEN_LIMIT
    part: int = 0
    of: int = 1

    @property
    def is_table(self) -> bool:
        """Whether the file's name says that it is a CSV."""
        return Path(self.path.name.lower().removesuffix(".gz").removesuffix(".zst")).suffix == ".csv"


def validate(task: Task, *, processes: int = 1, on_read: Progress | None = None) -> Report:
    """What is found in the task's file by so many processes; `on_read` is told how many of its bytes were read."""
    of = 1 if task.is_table else processes
    if of > 1:
        count_text("ß")  # loads the vocabulary, and what texts beyond ASCII need, once for all processes made after it
    with ExitStack() as stack:
        others = [stack.enter_context(_elsewhere(task._replace(part=part, of=of))) for part in range(1, of)]
        findings = findings_of(task._replace(of=of), on_read)
        for other in others:
            _include(findings, other)
    return findings.report(task.token_limit)


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
    findings = Findings()
    number, wanted = 0, None if task.form == Format.AUTO else task.form == Format.PREFERENCE
    try:
        with task.path.open("rb") as raw:
            for number, found in _seen(task, raw, on_read):
                if not isinstance(found, Inspected):
                    findings.refuse(found)
                elif wanted is not None and found.is_preference != wanted:
                    message = OTHER_FORMAT[found.is_preference]
                    findings.refuse([Problem(line=number, path="$", code="wrong_format", message=message)])
                else:
                    findings.add(number, found, task.token_limit)
    except (InvalidInput, TooLarge) as error:
        findings.broken = Problem(line=number, path="$", code=error.code, message=error.message)
    except Unreadable as error:
        findings.broken = error.problem
    except OSError as error:
        message = f"The file can't be read: {error.strerror or type(error).__name__}."
        findings.broken = Problem(line=number, path="$", code="unreadable_file", message=message)
    forget()
    return findings


def _seen(task: Task, raw: IO[bytes], on_read: Progress | None) -> Iterator[Seen]:
    """What each line of the task's part is, with its number."""
    lines = split_lines(_pieces(task.path, raw, on_read), LINE_BYTES)
    if task.is_table:
        for record in csv_records(lines):
            yield record.line, slowly(record)
        return
    for number, line in _own(enumerate(lines, start=1), task):
        text = line.removeprefix(BYTE_ORDER_MARK) if line and number == 1 else line
        if found := text and quickly(text):
            yield number, found
        elif text is None or (text and not text.isspace()):
            yield number, slowly(record_of(text, number))


def _own(lines: Iterator[Numbered], task: Task) -> Iterator[Numbered]:
    """The task's part of the lines."""
    if task.of == 1:
        return lines
    blocks = iter(lambda: list(islice(lines, BLOCK_LINES)), [])
    return chain.from_iterable(islice(blocks, task.part, None, task.of))


def _pieces(path: Path, raw: IO[bytes], on_read: Progress | None) -> Iterator[bytes]:
    """The content of a file; one that isn't compressed may be larger here than what can be dropped."""
    packed = path.name.lower().endswith(PACKED)
    for piece in unpacked(raw, path.name, path.stat().st_size) if packed else chunks(raw):
        yield piece
        if on_read:
            on_read(raw.tell())
