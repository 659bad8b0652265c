"""`tuneloop validate`: what is wrong with a file and what is odd about it, offline, before anything is sent or paid.

Exit status 0: every line is valid; 1: some are not; 2: the file can't be used at all.
"""

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn
from rich.text import Text

from tuneloop.cli.numbers import whole_option
from tuneloop.cli.reading import UNUSABLE, FileArgument, SettingsOption, offline, refuse, settings_in
from tuneloop.cli.report import show
from tuneloop.domain.chat.examples import Problem
from tuneloop.providers.catalog import named_models, places_of, providers
from tuneloop.validation.file_validation import TOKEN_LIMIT, FileFormat, Task, validate
from tuneloop.validation.report import ERRORS_KEPT, FileReport

INVALID = 1
LARGE_BYTES = 16 << 20  # from which on a second process is worth its start
MOST_PROCESSES = 16
FormatOption = Annotated[FileFormat, typer.Option("--format", help="What lines are to be; auto: each what it is.")]
JsonOption = Annotated[
    bool, typer.Option("--json", help=f"All of it as JSON: the first {ERRORS_KEPT:,} errors by line and path.")
]
ModelOption = Annotated[
    str,
    typer.Option(
        metavar="[PROVIDER/]NAME",
        help="The base model whose limit of tokens an example is held against: any that the catalog names.",
    ),
]
ProcessesOption = Annotated[int | None, whole_option(1, MOST_PROCESSES, "Processes; two for a large file if not said.")]


def check_file(
    file: FileArgument,
    form: FormatOption = FileFormat.AUTO,
    as_json: JsonOption = False,
    base_model: ModelOption = "gpt-4.1-2025-04-14",
    processes: ProcessesOption = None,
    settings: SettingsOption = None,
) -> None:
    """Check FILE line by line. Exit status 0: all valid, 1: some invalid, 2: unusable. Nothing leaves this machine."""
    limit = _limit_of(base_model)
    task = Task(file, form, limit, settings_in(settings))
    with Bar(file) as bar:
        found = validate(task, processes=processes or _processes_for(file), on_read=bar.move)
    report = _offline(found)
    if as_json:
        typer.echo(report.model_dump_json(indent=2))
    elif report.broken:
        _tell(file, report.broken)
    else:
        show(file, report, limit)
    if report.broken:
        raise typer.Exit(UNUSABLE)
    if report.invalid:
        raise typer.Exit(INVALID)


def _limit_of(base_model: str) -> int:
    """How many tokens an example of a base model may have."""
    places = places_of(base_model)
    if not places:
        listed = (f"{provider}: {', '.join(named_models(provider))}" for provider in providers())
        refuse("\n  ".join([f"The catalog lists no base model {base_model!r}. It lists:", *listed]))
    return min(offer.tokens_per_example or TOKEN_LIMIT for _, offer in places)


def _offline(report: FileReport) -> FileReport:
    """The report with ways out that this machine has, and no call of the API."""
    changes = {"errors": list(map(offline, report.errors)), "broken": report.broken and offline(report.broken)}
    return report.model_copy(update=changes)


def _processes_for(file: Path) -> int:
    is_large = file.is_file() and file.stat().st_size >= LARGE_BYTES
    return 2 if is_large and (os.cpu_count() or 1) > 1 else 1


class Bar:
    """How far a file is read, on a terminal only; it is drawn from the first move on, when all processes are made."""

    def __init__(self, file: Path) -> None:
        console = Console(stderr=True)
        columns = (BarColumn(), DownloadColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._progress.add_task("", total=file.stat().st_size if file.is_file() else None)

    def __enter__(self) -> "Bar":
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def move(self, position: int) -> None:
        """Draw that so many bytes are read."""
        self._progress.start()
        self._progress.update(self._task, completed=position)


def _tell(file: Path, broken: Problem) -> None:
    where = f" (line {broken.line})" if broken.line else ""
    text = Text.assemble((broken.code, "red"), f": {file.name}{where}: {broken.message}")
    Console(stderr=True, soft_wrap=True).print(text)
