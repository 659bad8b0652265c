"""The progress of the loop on a terminal: each step as it happens, bars, and tables of figures."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Timer
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.padding import Padding
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.table import Table

from ops.smoke.log_check import LogFindings
from tuneloop.cli.runs import RunProgress

EvaluationView = Callable[[dict[str, Any]], None]
ARM_NAMES = {"candidate": "new version", "base": "base model", "most_frequent": "commonest answer"}


class ProgressView:
    """The view of one way round the loop, on a terminal or in a file that is read later."""

    def __init__(self) -> None:
        self.console = Console(highlight=False, emoji=False)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Print a step's title, then the seconds that the block took."""
        started = time.monotonic()
        self.console.print(f"\n[bold]{title}[/bold]")
        yield
        self.console.print(f"  [green]✓[/green] [dim]{time.monotonic() - started:.1f} s[/dim]")

    def say(self, line: str) -> None:
        """Print a line below the step's title."""
        self.console.print(f"  {line}", markup=False, soft_wrap=True)

    @contextmanager
    def if_late(self, seconds: float, line: str) -> Iterator[None]:
        """Print `line` if the block takes longer than `seconds`."""
        timer = Timer(seconds, self.say, [line])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    @contextmanager
    def run_bar(self) -> Iterator[Callable[[dict[str, Any], list[dict[str, Any]]], None]]:
        """Show a run's bar and losses; yields what is called with the run and its events as they come in."""
        progress = RunProgress()
        with Live(Padding(progress, (0, 0, 0, 2)), console=self.console, refresh_per_second=8) as live:

            def show(run: dict[str, Any], events: list[dict[str, Any]]) -> None:
                """Draw the run as it is now."""
                progress.update(run, events)
                live.refresh()

            yield show
        if not self.console.is_terminal:
            self.console.line()

    @contextmanager
    def evaluation_bar(self) -> Iterator[EvaluationView]:
        """Show an evaluation's bar; yields what is called with the evaluation as it goes on."""
        columns = (TextColumn("  asking both"), BarColumn(30), TaskProgressColumn())
        with Progress(*columns, console=self.console, transient=True) as progress:
            task = progress.add_task("asking", total=1.0)
            yield lambda evaluation: progress.update(task, completed=evaluation["progress"])

    def show_arms(self, evaluation: dict[str, Any]) -> None:
        """Print how often each arm of an evaluation was right."""
        table = Table("arm", "right", "accuracy", "95% interval", box=None, padding=(0, 2))
        for name, title in ARM_NAMES.items():
            arm = evaluation["arms"][name]
            low, high = arm["interval"]
            right = f"{arm['correct']:,} of {arm['examples']:,}"
            table.add_row(title, right, f"{arm['accuracy']:.1%}", f"{low:.1%} to {high:.1%}")
        self.console.print(table)
        if (cost := evaluation["cost_usd"]) is not None:
            self.say(f"the answers cost ${cost:.4f}")
        if evaluation["removed_overlap"]:
            self.say(f"{evaluation['removed_overlap']} test rows left out: a version has seen them or their like")

    def show_usage(self, rows: list[dict[str, Any]]) -> None:
        """Print calls, tokens and dollars per version."""
        table = Table("version", "calls", "tokens in", "tokens out", "cost", box=None, padding=(0, 2))
        for row in rows:
            tokens = (f"{row['prompt_tokens']:,}", f"{row['completion_tokens']:,}")
            unpriced = f" and {row['unpriced_calls']} of unknown cost" if row["unpriced_calls"] else ""
            table.add_row(str(row["version"]), str(row["calls"]), *tokens, f"${row['cost_usd']:.4f}{unpriced}")
        self.console.print(table)

    def show_findings(self, findings: Sequence[LogFindings]) -> None:
        """Print what every function's log shows."""
        table = Table("function", "finished", "", box=None, padding=(0, 2))
        for finding in findings:
            colour = "green" if finding.is_good else "red"
            table.add_row(finding.function, str(finding.finished), f"[{colour}]{finding.summary}[/]")
        self.console.print(table)
