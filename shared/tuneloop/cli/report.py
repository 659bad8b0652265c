"""The report of a validated file as people read it: the figures, the errors by kind, the warnings."""

import re
from itertools import groupby
from pathlib import Path

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tuneloop.domain.chat.examples import Problem
from tuneloop.domain.datasets.file_warnings import FileWarning
from tuneloop.validation.report import FileReport

NUMBERS = re.compile(r"\d+")
KINDS_SHOWN = 12
LINES_SHOWN = 3


def show(file: Path, report: FileReport, token_limit: int) -> None:
    """Print a report for people: the figures, the errors by kind, the warnings."""
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
        left = sum(map(len, kinds[KINDS_SHOWN:]))
        table.add_row(f"{left:,}", Text(f"of {len(kinds) - KINDS_SHOWN} other kinds; --json lists them", "dim"))
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
