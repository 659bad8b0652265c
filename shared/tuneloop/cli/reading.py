"""Reading a file of this machine example by example, by the settings of the dataset that it is for."""

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
from tuneloop.validation.line_parser import isolated
from tuneloop.validation.local_files import FAULTS, ReadSettings, problem_of, records_of

UNUSABLE = 2  # the exit status for a file of which nothing can be made

# What the API is told by a call, an offline command is told by a file: both have the rule from the same place.
BY_FILE = "the `csv` of a JSON file that --settings names"
CURES = {
    "no_template": "`input` and `output` are rendered through a template: write one into a JSON file, such as "
    '{"template": {"user": "{{input}}"}}, and name that by --settings.'
}
FileArgument = Annotated[Path, typer.Argument(help="JSONL or CSV, packed (.gz, .zst) or not.")]
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
    """End the command with what makes it impossible."""
    typer.echo(message, err=True)
    raise typer.Exit(UNUSABLE)


def in_words(problem: Problem) -> str:
    """A problem as a refusal says it: where, what would be right, and the code that `tuneloop validate` lists."""
    where = [f"line {problem.line}"] * bool(problem.line) + [problem.path] * (problem.path != "$")
    return f"{', '.join(where)}: {offline(problem).message} [{problem.code}]".removeprefix(": ")


def offline(problem: Problem) -> Problem:
    """A problem whose way out is one that this machine has: what a dataset's settings mend, a file of them does."""
    message = CURES.get(problem.code) or problem.message.replace("the dataset's `csv`", BY_FILE)
    return problem.model_copy(update={"message": message})


def settings_in(file: Path | None) -> ReadSettings:
    """The settings that a file has; refuses one that can't be used."""
    if not file:
        return ReadSettings()
    try:
        content = file.read_bytes().removeprefix(BYTE_ORDER_MARK)
        if problem := problem_of_start(content, 1):
            refuse(f"{file}: {problem.message}")
        found = ReadSettings.model_validate_json(content)
    except OSError as error:
        refuse(f"{file}: The settings can't be read: {error.strerror}.")
    except ValidationError as error:
        refuse(f"{file}: The settings can't be used: {'; '.join(_faults(error))}.")
    if not found.model_fields_set:
        refuse(f"{file}: The settings have neither `template` nor `csv` nor `policy`.")
    return found


def _faults(error: ValidationError) -> Iterator[str]:
    for each in error.errors():
        place = ".".join(map(str, each["loc"]))
        yield f"{place}: {each['msg']}" if place else each["msg"]


def examples_of(file: Path, settings: ReadSettings) -> Iterator[Example | list[Problem]]:
    """Each example of a file, or what is wrong with its line; Unreadable where reading can't go on."""
    try:
        for record in records_of(file, settings.csv):
            yield isolated(record.line, read_record, record, None, settings.template)
    except FAULTS as fault:
        raise Unreadable(problem_of(fault)) from fault


@contextmanager
def kept(file: Path) -> Iterator[Path]:
    """The file, or a copy of what comes through a pipe, so that it can be read more than once."""
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
