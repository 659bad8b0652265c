"""The demo's terminal: the loop's progress, and besides a title, estimates, answers, and a summary at the end."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from infra.stage import BEDROCK
from local.demo.report import DemoReport
from ops.smoke.progress_view import ProgressView
from tuneloop.cli.estimate import table_of
from tuneloop.domain.evaluation.evaluations import format_p_value
from tuneloop.domain.training.estimates import Estimate

WIDEST_QUESTION = 60  # characters; leaves room for the answer beside it on a terminal of usual width


class Screen(ProgressView):
    """The progress view of a demo, with what only a demo shows."""

    def show_title(self, data: Path, test: Path | None, provider: str) -> None:
        """Print what the demo is about to show."""
        files = data.name + (f", proved on {test.name}" if test else "")
        wire = ", trained and served on Bedrock's wire" if provider == BEDROCK else ""
        self.console.print(f"\n[bold]Tuneloop[/bold] on this machine: the deployed stack, {files}{wire}\n")

    @contextmanager
    def startup(self) -> Iterator[Callable[[str], None]]:
        """Show the start of the stack; yields the function that prints a message of it."""
        self.console.print("[bold]Start the stack[/bold]")
        yield self.say

    def show_estimates(self, estimates: list[dict[str, Any]]) -> None:
        """Print what training would cost and how long it would take, by base model; the first is the one in use."""
        rows = [Estimate.model_validate(row) for row in estimates]
        in_use = rows[0]
        priced = [row for row in rows if row is in_use or row.estimated_cost_usd]
        self.console.print(Padding(table_of(priced), (0, 0, 0, 2)))
        if unpriced := len(rows) - len(priced):
            self.say(f"{unpriced} more whose price is not known: nothing is launched on them unconfirmed")
        if gain := in_use.smallest_provable_improvement:
            self.say(f"{in_use.test_rows:,} test rows show a gain of {100 * gain:.1f} points or more")
        for note in in_use.notes:
            self.say(note)

    def show_answers(self, answers: list[tuple[str, str, int]]) -> None:
        """Print each question with its answer and the version that gave it."""
        table = Table("question", "answer", "version", box=None, padding=(0, 1))
        for question, answer, version in answers:
            table.add_row(Text(_shorten(question)), Text(answer), str(version))
        self.console.print(table)

    def show_summary(self, dataset: str, version: int, report: DemoReport, seconds: float) -> None:
        """Print a panel with the demo's figures; `version` is the one that answers now."""
        figures = report.evaluation
        low, high = figures["interval"]
        lines = (
            f"[bold]{dataset}[/bold] is answered by version {version}: "
            f"right {figures['tuned_accuracy']:.1%} of the time, the base model {figures['base_accuracy']:.1%}",
            f"gain {low * 100:+.1f} to {high * 100:+.1f} points on {figures['examples']:,} held-out examples, "
            f"{format_p_value(figures['p_value'])}",
            f"{sum(row['calls'] for row in report.usage)} calls accounted for, "
            f"${sum(row['cost_usd'] for row in report.usage):.2f} spent",
            "[dim]build/demo/report.json, logs in build/demo/stack/logs[/dim]",
        )
        self.console.print(Panel("\n".join(lines), title=f"The loop, closed in {seconds:.0f} s", border_style="green"))

    def show_failure(self, why: str, logs: Path | None = None) -> None:
        """Print why the demo did not reach its end, and the folder of the logs, if there are any."""
        self.console.print(f"\n[bold red]✗ {escape(why)}[/bold red]", soft_wrap=True)
        if logs:
            self.console.print(f"  [dim]logs: {logs}[/dim]", soft_wrap=True)


def _shorten(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= WIDEST_QUESTION else line[: WIDEST_QUESTION - 1] + "…"
