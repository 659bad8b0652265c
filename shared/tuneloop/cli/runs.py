"""`tuneloop runs`: lists training runs, shows one, and follows one until it has ended."""

import json
from typing import Annotated, Any

import typer
from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Column, Table
from rich.text import Text

from tuneloop.cli.api import ApiClient
from tuneloop.cli.terminal import table_console, whole_option

COLOURS = {"succeeded": "green", "failed": "red", "cancelled": "yellow", "awaiting_confirmation": "yellow"}
BARS = "▁▂▃▄▅▆▇█"
SPARKLINE_WIDTH = 40  # characters, so that with the words around it a line fits the 80 columns of a narrow terminal
REDRAWS_PER_SECOND = 8  # makes the bar move smoothly; the run itself is fetched once per second
commands = typer.Typer(help="Training runs.", no_args_is_help=True)
LimitOption = Annotated[int, whole_option(1, 100)]


@commands.command("list")
def list_runs(limit: LimitOption = 20) -> None:
    """List runs, newest first."""
    table = Table(Column("run", no_wrap=True), "model", "version", "status", "cost", "created", box=None)
    for run in ApiClient.from_environment().get("/training-runs", limit=limit)["data"]:
        table.add_row(*_row(run))
    table_console().print(table)


@commands.command()
def show(run: str) -> None:
    """Show one run as JSON."""
    Console().print_json(json.dumps(ApiClient.from_environment().get(f"/training-runs/{run}")))


@commands.command()
def watch(run: str) -> None:
    """Follow a run until it has ended; exit status 1 unless it succeeded."""
    view = RunProgress()
    last: dict[str, Any] = {}
    with Live(view, console=Console(), refresh_per_second=REDRAWS_PER_SECOND) as live:
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


def status_text(status: str) -> str:
    """A run's status in its colour, as rich's markup."""
    return f"[{COLOURS.get(status, 'cyan')}]{status}[/]"


def sparkline(values: list[float]) -> str:
    """Values as a line of bars, scaled from the lowest to the highest value."""
    if not values:
        return ""
    sample = values[:: -(-len(values) // SPARKLINE_WIDTH)]
    low, high = min(sample), max(sample)
    scale = (high - low) or 1.0
    return "".join(BARS[round((value - low) / scale * (len(BARS) - 1))] for value in sample)


class RunProgress:
    """A training run on a terminal: a progress bar and a line of its losses; `update` sets its latest state."""

    def __init__(self) -> None:
        self._run: dict[str, Any] = {}
        self._losses: list[float] = []

    def update(self, run: dict[str, Any], events: list[dict[str, Any]]) -> None:
        """Set the latest state of the run and its events."""
        self._run = run
        self._losses = [event["train_loss"] for event in events if event.get("train_loss") is not None]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        run = self._run
        if not run:
            return
        grid = Table.grid(padding=(0, 1))
        step = f"step {run['step']:,} of {run['total_steps']:,}" if run.get("total_steps") else ""
        bar = ProgressBar(total=1.0, completed=run["progress"], width=30)
        grid.add_row(Text.from_markup(status_text(run["status"])), bar, f"{run['progress']:4.0%}", step)
        yield grid
        if self._losses:
            yield Text(f"loss {sparkline(self._losses)} {self._losses[-1]:.3f}{_valid(run)}", style="dim")
        if note := run.get("waiting_for") or (run.get("error") or {}).get("message"):
            yield Text(note, style="yellow")


def _valid(run: dict[str, Any]) -> str:
    return f"   validation {run['valid_loss']:.3f}" if run.get("valid_loss") is not None else ""
