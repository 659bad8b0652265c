"""A training run on a terminal: a bar that fills, and the losses as they fall."""

from typing import Any

from rich.console import Console, ConsoleOptions, RenderResult
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

COLOURS = {"succeeded": "green", "failed": "red", "cancelled": "yellow", "awaiting_confirmation": "yellow"}
LEVELS = "▁▂▃▄▅▆▇█"
KEPT = 40


def status_text(status: str) -> str:
    """A status in its colour."""
    return f"[{COLOURS.get(status, 'cyan')}]{status}[/]"


def sparkline(values: list[float]) -> str:
    """Values as a line of bars, the lowest and the highest at the ends of the scale."""
    if not values:
        return ""
    shown = values[:: -(-len(values) // KEPT)]
    low, high = min(shown), max(shown)
    scale = (high - low) or 1.0
    return "".join(LEVELS[round((value - low) / scale * (len(LEVELS) - 1))] for value in shown)


class RunProgress:
    """What is known of a run, ready to be drawn; call `update` with each reading."""

    def __init__(self) -> None:
        self._run: dict[str, Any] = {}
        self._losses: list[float] = []

    def update(self, run: dict[str, Any], events: list[dict[str, Any]]) -> None:
        """Take in a new reading of the run and of what its provider reported."""
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
