"""`tuneloop validate`: reports errors and warnings of a file offline, before anything is sent or paid for.

Exit status 0: every line is valid; 1: some lines aren't; 2: the file can't be used at all.
"""

import os
import re
from itertools import groupby
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from tuneloop.cli.example_files import UNUSABLE, FileArgument, SettingsOption, offline, read_settings, refuse
from tuneloop.cli.terminal import whole_option
from tuneloop.domain.chat.examples import Problem
from tuneloop.domain.datasets.file_warnings import FileWarning
from tuneloop.providers.catalog import named_models, places_of, providers
from tuneloop.validation.file_validation import TOKEN_LIMIT, FileFormat, Task, validate
from tuneloop.validation.report import ERRORS_KEPT, FileReport

INVALID = 1  # exit status if some lines can't be used
LARGE_BYTES = 16 << 20  # from this size on, a second process saves more time than its start takes
MOST_PROCESSES = 16  # each reads the whole file, so more of them would lose more time by reading than they save
NUMBERS = re.compile(r"\d+")  # errors whose messages differ only in numbers are of one kind
KINDS_SHOWN = 12  # kinds of errors, most frequent first: about a screenful; --json lists all
LINES_SHOWN = 3
FormatOption = Annotated[FileFormat, typer.Option("--format", help="The format of all lines; auto allows both.")]
JsonOption = Annotated[
    bool, typer.Option("--json", help=f"Print JSON, with the first {ERRORS_KEPT:,} errors by line and path.")
]
ModelOption = Annotated[
    str,
    typer.Option(
        metavar="[PROVIDER/]NAME",
        help="The base model whose limit of tokens per example applies: any that the catalog names.",
    ),
]
ProcessesOption = Annotated[int | None, whole_option(1, MOST_PROCESSES, "Processes; by default two for a large file.")]


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
    task = Task(file, form, limit, read_settings(settings))
    with ReadProgress(file) as progress:
        report = _offline(validate(task, processes=processes or _processes_for(file), on_read=progress.move))
    if as_json:
        typer.echo(report.model_dump_json(indent=2))
    elif report.broken:
        _print_broken(file, report.broken)
    else:
        _print_report(file, report, limit)
    if report.broken:
        raise typer.Exit(UNUSABLE)
    if report.invalid:
        raise typer.Exit(INVALID)


def _limit_of(base_model: str) -> int:
    """The most tokens that an example of a base model may have."""
    places = places_of(base_model)
    if not places:
        offers = (f"{provider}: {', '.join(named_models(provider))}" for provider in providers())
        refuse("\n  ".join([f"The catalog lists no base model {base_model!r}. It lists:", *offers]))
    return min(offer.tokens_per_example or TOKEN_LIMIT for _, offer in places)


def _offline(report: FileReport) -> FileReport:
    """A report with advice for this command, whose settings come from a file rather than from the API."""
    changes = {"errors": list(map(offline, report.errors)), "broken": report.broken and offline(report.broken)}
    return report.model_copy(update=changes)


def _processes_for(file: Path) -> int:
    is_large = file.is_file() and file.stat().st_size >= LARGE_BYTES
    return 2 if is_large and (os.cpu_count() or 1) > 1 else 1


class ReadProgress:
    """A progress bar for reading a file, shown only on a terminal.

    It starts with the first `move`: rich draws in a thread, and the other processes must be forked before that starts.
    """

    def __init__(self, file: Path) -> None:
        console = Console(stderr=True)
        columns = (BarColumn(), DownloadColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._progress.add_task("", total=file.stat().st_size if file.is_file() else None)

    def __enter__(self) -> "ReadProgress":
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def move(self, position: int) -> None:
        """Show that the file has been read up to this byte."""
        self._progress.start()
        self._progress.update(self._task, completed=position)


def _print_broken(file: Path, broken: Problem) -> None:
    place = f" (line {broken.line})" if broken.line else ""
    text = Text.assemble((broken.code, "red"), f": {file.name}{place}: {broken.message}")
    Console(stderr=True, soft_wrap=True).print(text)


def _print_report(file: Path, report: FileReport, token_limit: int) -> None:
    """Print a report as text: the figures, the errors by kind, and the warnings."""
    console = Console(highlight=False)
    verdict = (f"{report.invalid:,} of them can't be used", "red") if report.invalid else ("all of them valid", "green")
    console.print(Text.assemble((file.name, "bold"), f": {report.lines:,} lines, ", verdict))
    tokens = report.tokens
    console.print(
        f"{tokens.total:,} tokens: median {tokens.p50:,}, 95% up to {tokens.p95:,}, longest {tokens.max:,}; "
        f"{report.examples_over_limit:,} over {token_limit:,}"
    )
    if report.errors:
        console.print(Padding(_errors(report.errors), (1, 0, 0, 0)))
    if report.warnings:
        console.print(Padding(_warnings(report.warnings), (1, 0, 0, 0)))


def _errors(errors: list[Problem]) -> Table:
    table = _table("errors", "red")
    kinds = [list(kind) for _, kind in groupby(sorted(errors, key=_kind), _kind)]
    kinds.sort(key=len, reverse=True)
    for kind in kinds[:KINDS_SHOWN]:
        first = kind[0]
        message = Text.assemble((first.code, "red"), f"  {first.message}\n", (f"{first.path}  {_places(kind)}", "dim"))
        table.add_row(f"{len(kind):,}", message)
    if len(kinds) > KINDS_SHOWN:
        hidden = sum(map(len, kinds[KINDS_SHOWN:]))
        table.add_row(f"{hidden:,}", Text(f"of {len(kinds) - KINDS_SHOWN} other kinds; --json lists them", "dim"))
    return table


def _kind(problem: Problem) -> tuple[str, str]:
    return problem.code, NUMBERS.sub("", problem.message)


def _places(kind: list[Problem]) -> str:
    return _lines(list(dict.fromkeys(problem.line for problem in kind)))


def _warnings(warnings: list[FileWarning]) -> Table:
    table = _table("warnings", "yellow")
    for warning in warnings:
        places = [(f"\n{_lines(warning.lines)}", "dim")] if warning.lines else []
        message = Text.assemble((warning.code, "yellow"), f"  {warning.message}", *places)
        table.add_row(f"{warning.count:,}", message)
    return table


def _table(title: str, colour: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column(Text(title, f"bold {colour}"), justify="right", no_wrap=True)
    table.add_column("")
    return table


def _lines(numbers: list[int]) -> str:
    shown = ", ".join(f"{number:,}" for number in numbers[:LINES_SHOWN])
    return f"line{'s' if len(numbers) > 1 else ''} {shown}{', …' if len(numbers) > LINES_SHOWN else ''}"
