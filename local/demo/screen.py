"""What the demo shows: each step as it happens, and one summary at the end."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.padding import Padding
from rich.panel import Panel
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.table import Table
from rich.text import Text

from tuneloop.cli.progress import RunProgress
from tuneloop.domain.evaluation import p_text

if TYPE_CHECKING:
    from local.demo.loop import Step
    from local.demo.report import Report
    from local.demo.scene import Scene

View = Callable[[dict[str, Any]], None]
ARM_NAMES = {"candidate": "new version", "base": "base model", "most_frequent": "commonest answer"}
WIDEST_QUESTION = 60


class Screen:
    """The demo's terminal."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, emoji=False)

    def title(self, data: Path, test: Path | None) -> None:
        """What is about to be shown."""
        files = data.name + (f", proved on {test.name}" if test else "")
        self._console.print(f"\n[bold]Tuneloop[/bold] on this machine: the deployed stack, {files}\n")

    @contextmanager
    def starting(self) -> Iterator[Callable[[str], None]]:
        """Hear what the stack says while it comes up."""
        self._console.print("[bold]Start the stack[/bold]")
        yield self.say

    @contextmanager
    def step(self, step: "Step") -> Iterator[None]:
        """Show a step while it runs, and how long it took."""
        started = time.monotonic()
        self._console.print(f"\n[bold]{step.title}[/bold]")
        yield
        self._console.print(f"  [green]✓[/green] [dim]{time.monotonic() - started:.1f} s[/dim]")

    def say(self, line: str) -> None:
        """One line below a step."""
        self._console.print(f"  {line}", markup=False, soft_wrap=True)

    @contextmanager
    def following(self) -> Iterator[Callable[[dict[str, Any], list[dict[str, Any]]], None]]:
        """A run's bar and losses as they come in."""
        progress = RunProgress()
        with Live(Padding(progress, (0, 0, 0, 2)), console=self._console, refresh_per_second=8) as live:

            def show(run: dict[str, Any], events: list[dict[str, Any]]) -> None:
                progress.update(run, events)
                live.refresh()

            yield show
        if not self._console.is_terminal:
            self._console.line()

    @contextmanager
    def evaluating(self) -> Iterator[View]:
        """An evaluation's bar."""
        columns = (TextColumn("  asking both"), BarColumn(30), TaskProgressColumn())
        with Progress(*columns, console=self._console, transient=True) as progress:
            task = progress.add_task("asking", total=1.0)
            yield lambda evaluation: progress.update(task, completed=evaluation["progress"])

    def arms(self, evaluation: dict[str, Any]) -> None:
        """Who was right how often."""
        table = Table("arm", "right", "accuracy", "95% interval", box=None, padding=(0, 2))
        for name, title in ARM_NAMES.items():
            arm = evaluation["arms"][name]
            low, high = arm["interval"]
            right = f"{arm['correct']:,} of {arm['examples']:,}"
            table.add_row(title, right, f"{arm['accuracy']:.1%}", f"{low:.1%} to {high:.1%}")
        self._console.print(table)
        if (cost := evaluation["cost_usd"]) is not None:
            self.say(f"the answers cost ${cost:.4f}")
        if evaluation["removed_overlap"]:
            self.say(f"{evaluation['removed_overlap']} test rows left out: their prompts were in training")

    def answers(self, answers: list[tuple[str, str, int]]) -> None:
        """Questions, answers, and the version that gave them."""
        table = Table("question", "answer", "version", box=None, padding=(0, 1))
        for question, answer, version in answers:
            table.add_row(Text(_shortened(question)), Text(answer), str(version))
        self._console.print(table)

    def usage(self, rows: list[dict[str, Any]]) -> None:
        """Calls, tokens and dollars per version."""
        table = Table("version", "calls", "tokens in", "tokens out", "cost", box=None, padding=(0, 2))
        for row in rows:
            tokens = (f"{row['prompt_tokens']:,}", f"{row['completion_tokens']:,}")
            table.add_row(str(row["version"]), str(row["calls"]), *tokens, f"${row['cost_usd']:.4f}")
        self._console.print(table)

    def summary(self, scene: "Scene", report: "Report", seconds: float) -> None:
        """One panel: what came of it."""
        figures = report.evaluation
        low, high = figures["interval"]
        lines = (
            f"[bold]{scene.dataset}[/bold] is answered by version {scene.run['version']}: "
            f"right {figures['tuned_accuracy']:.1%} of the time, the base model {figures['base_accuracy']:.1%}",
            f"gain {low * 100:+.1f} to {high * 100:+.1f} points on {figures['examples']:,} held-out examples, "
            f"{p_text(figures['p_value'])}",
            f"{sum(row['calls'] for row in report.usage)} calls accounted for, "
            f"${sum(row['cost_usd'] for row in report.usage):.2f} spent",
            "[dim]build/demo/report.json, logs in build/demo/stack/logs[/dim]",
        )
        self._console.print(Panel("\n".join(lines), title=f"The loop, closed in {seconds:.0f} s", border_style="green"))

    def failed(self, why: str, logs: Path) -> None:
        """Why the demo did not reach its end."""
        self._console.print(f"\n[bold red]✗ {escape(why)}[/bold red]\n  [dim]logs: {logs}[/dim]", soft_wrap=True)


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= WIDEST_QUESTION else line[: WIDEST_QUESTION - 1] + "…"
