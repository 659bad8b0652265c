"""`tuneloop drops`: what became of dropped files, by the API; and, with AWS credentials, which of them are nobody's."""

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.padding import Padding
from rich.table import Column, Table
from rich.text import Text

from tuneloop.cli.api import ApiClient
from tuneloop.cli.numbers import whole_option
from tuneloop.cli.screen import screen
from tuneloop.cli.stage import StageOption, datasets

# Problems of a drop that a list shows; `drops show` has all that are kept.
PROBLEMS_SHOWN = 3
COLOURS = {"collected": "green", "reading": "yellow", "rejected": "red", "failed": "red"}
commands = typer.Typer(no_args_is_help=True)
DatasetArgument = Annotated[str, typer.Argument(help="The dataset that it was dropped into.")]
LimitOption = Annotated[int, whole_option(1, 100, "How many drops, newest first.")]


@commands.callback()
def group() -> None:
    """What became of dropped files."""


@commands.command("list")
def list_drops(dataset: DatasetArgument, limit: LimitOption = 10) -> None:
    """List a dataset's drops, newest first, with their first problems; by TUNELOOP_BASE_URL and TUNELOOP_API_KEY."""
    with ApiClient.from_environment() as api:
        found = api.get(f"/datasets/{dataset}/drops", limit=limit)["data"]
    if not found:
        typer.echo(f"{dataset} has no drops yet; one shows within seconds after its file came.")
    for drop in found:
        screen().print(_headline(drop))
        if drop["problems"]:
            screen().print(Padding(_problems(drop), (0, 0, 0, 4)))


@commands.command()
def show(dataset: DatasetArgument, drop: Annotated[str, typer.Argument(help="The drop's id.")]) -> None:
    """Show a drop whole, as JSON, with all of its problems that are kept."""
    with ApiClient.from_environment() as api:
        Console().print_json(json.dumps(api.get(f"/datasets/{dataset}/drops/{drop}")))


@commands.command()
def refused(stage: StageOption = "prod") -> None:
    """List, with your AWS credentials, the files of the last 30 days whose path names no tenant or dataset; unread."""
    found = datasets(stage).refused()
    if not found:
        typer.echo("No refused drops.")
    for drop in found:
        typer.echo(f"{drop.created_at:%Y-%m-%d %H:%M}  {drop.code}  {_name(drop.object)}\n    {drop.message}")


def _headline(drop: dict[str, Any]) -> Text:
    status = drop["status"]
    figures = f"{drop['lines']:,} lines, {drop['examples']:,} examples, {drop['problem_count']:,} problems"
    return Text.assemble(
        f"{drop['created_at'][:16].replace('T', ' ')}  {drop['id']}  {_name(drop['object'])}  ",
        (status, COLOURS.get(status, "")),
        f"  {figures}",
    )


def _problems(drop: dict[str, Any]) -> Table:
    table = Table(Column("line", justify="right", no_wrap=True), "", box=None, show_header=False)
    for problem in drop["problems"][:PROBLEMS_SHOWN]:
        told = Text.assemble((problem["code"], "red"), f"  {problem['message']} ({problem['path']})")
        table.add_row(f"line {problem['line']:,}", told)
    if (left := drop["problem_count"] - PROBLEMS_SHOWN) > 0:
        table.add_row("", f"{left:,} more: tuneloop drops show {drop['dataset']} {drop['id']}")
    return table


def _name(name: str) -> str:
    return name if name.isprintable() else json.dumps(name)
