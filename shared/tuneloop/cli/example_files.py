"""Files of examples for the offline commands: their arguments, settings and error messages, and reading examples."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, NoReturn

import typer
from pydantic import ValidationError

from tuneloop.domain.chat.examples import Example, Problem
from tuneloop.domain.datasets.csv_reader import Unreadable
from tuneloop.domain.datasets.file_diagnosis import BYTE_ORDER_MARK, problem_of_start
from tuneloop.domain.datasets.records import read_record
from tuneloop.validation.line_parser import isolate_line
from tuneloop.validation.local_files import READ_ERRORS, ReadSettings, problem_of, records_of

UNUSABLE = 2  # exit status for a file that can't be used at all

# The API advises to change the dataset by a call. An offline command has none, and reads its settings from a file.
BY_FILE = "the `csv` of a JSON file that --settings names"
OFFLINE_ADVICE = {
    "no_template": "`input` and `output` are rendered through a template: write one into a JSON file, such as "
    '{"template": {"user": "{{input}}"}}, and name that by --settings.'
}
FileArgument = Annotated[Path, typer.Argument(help="JSONL or CSV, also compressed (.gz, .zst).")]
SettingsOption = Annotated[
    Path | None,
    typer.Option(
        "--settings",
        help="JSON with the dataset's `template`, `csv` or `policy`, "
        'like {"csv": {"user": "question", "assistant": "answer"}}.',
        show_default=False,
    ),
]


def refuse(message: str) -> NoReturn:
    """End the command with a message on standard error and exit status 2."""
    typer.echo(message, err=True)
    raise typer.Exit(UNUSABLE)


def in_words(problem: Problem) -> str:
    """A problem as one sentence: its place, what would be right, and its code as in `tuneloop validate`."""
    place = [f"line {problem.line}"] * bool(problem.line) + [problem.path] * (problem.path != "$")
    return f"{', '.join(place)}: {offline(problem).message} [{problem.code}]".removeprefix(": ")


def offline(problem: Problem) -> Problem:
    """A problem with advice that works offline: to change the settings file instead of a dataset's settings."""
    message = OFFLINE_ADVICE.get(problem.code) or problem.message.replace("the dataset's `csv`", BY_FILE)
    return problem.model_copy(update={"message": message})


def read_settings(file: Path | None) -> ReadSettings:
    """The settings in a JSON file, or the defaults without one; ends the command if they can't be used."""
    if not file:
        return ReadSettings()
    try:
        content = file.read_bytes().removeprefix(BYTE_ORDER_MARK)
        if problem := problem_of_start(content, 1):
            refuse(f"{file}: {problem.message}")
        settings = ReadSettings.model_validate_json(content)
    except OSError as error:
        refuse(f"{file}: The settings can't be read: {error.strerror}.")
    except ValidationError as error:
        refuse(f"{file}: The settings can't be used: {'; '.join(_faults(error))}.")
    if not settings.model_fields_set:
        refuse(f"{file}: The settings have neither `template` nor `csv` nor `policy`.")
    return settings


def _faults(error: ValidationError) -> Iterator[str]:
    for fault in error.errors():
        field = ".".join(map(str, fault["loc"]))
        yield f"{field}: {fault['msg']}" if field else fault["msg"]


def read_examples(file: Path, settings: ReadSettings) -> Iterator[Example | list[Problem]]:
    """The examples of a file, or the problems of a line; Unreadable if the rest of the file can't be read."""
    try:
        for record in records_of(file, settings.csv):
            yield isolate_line(record.line, read_record, record, None, settings.template)
    except READ_ERRORS as error:
        raise Unreadable(problem_of(error)) from error


@contextmanager
def rereadable(file: Path) -> Iterator[Path]:
    """Yield a file's path, or that of a temporary copy of a pipe, which can be read only once."""
    if file.is_file() or file.is_dir() or not file.exists():
        yield file
        return
    with TemporaryDirectory() as folder:
        copy = Path(folder) / file.name
        try:
            with file.open("rb") as pipe, copy.open("wb") as out:
                shutil.copyfileobj(pipe, out)
        except OSError as error:
            refuse(f"{file}: It can't be copied to {folder}: {error.strerror}.")
        yield copy
