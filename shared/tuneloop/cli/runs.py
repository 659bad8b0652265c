"""`tuneloop runs`: what is in training, what came of it, and a run as it goes."""

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Column, Table

from tuneloop.cli.api import ApiClient
from tuneloop.cli.numbers import whole_option
from tuneloop.cli.progress import RunProgress, status_text
from tuneloop.cli.screen import screen

commands = typer.Typer(help="Training runs.", no_args_is_help=True)
LimitOption = Annotated[int, whole_option(1, 100)]


@commands.command("list")
def list_runs(limit: LimitOption = 20) -> None:
    """List runs, newest first."""
    table = Table(Column("run", no_wrap=True), "model", "version", "status", "cost", "created", box=None)
    for run in ApiClient.from_environment().get("/training-runs", limit=limit)["data"]:
        table.add_row(*_row(run))
    screen().print(table)


@commands.command()
def show(run: str) -> None:
    """Show a run whole, as JSON."""
    Console().print_json(json.dumps(ApiClient.from_environment().get(f"/training-runs/{run}")))


@commands.command()
def watch(run: str) -> None:
    """Follow a run until it has ended; exit status 1 unless it succeeded."""
    view = RunProgress()
    last: dict[str, Any] = {}
    with Live(view, console=Console(), refresh_per_second=8) as live:
        for last, events in ApiClient.from_environment().follow(run):
            view.update(last, events)
            live.refresh()
    if not live.console.is_terminal:
        live.console.line()
    if last["status"] != "succeeded":
        raise typer.Exit(1)


def _row(run: dict[str, Any]) -> list[str]:
    cost = run.get("training_cost_usd")
    return [
        run["id"],
        run["model"],
        str(run.get("version") or ""),
        status_text(run["status"]),
        "" if cost is None else f"${cost:.4f}",
        run["created_at"][5:16].replace("T", " "),
    ]
