"""`tuneloop estimate`: what a file would cost to train on, said offline from the catalog's dated prices."""

import json
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from tuneloop.cli.numbers import whole_option
from tuneloop.cli.reading import FileArgument, SettingsOption, examples_of, in_words, kept, refuse, settings_in
from tuneloop.domain.estimates import COUNTED_ERROR, Basis, Estimate, UsdRange, estimate
from tuneloop.domain.examples import Example
from tuneloop.files import Settings
from tuneloop.providers.catalog import ANY_MODEL, listed_models, price_of, providers
from tuneloop.tokens import PER_EXAMPLE, count_messages
from tuneloop.validation import Task, validate

SAMPLED = 1_000

CallsOption = Annotated[int | None, whole_option(1, text="Calls a month to what was trained.")]
ProviderOption = Annotated[str, typer.Option(help="Whose base models.")]
JsonOption = Annotated[bool, typer.Option("--json", help="As JSON.")]


def estimate_cost(
    file: FileArgument,
    calls: CallsOption = None,
    provider: ProviderOption = "openai",
    as_json: JsonOption = False,
    settings: SettingsOption = None,
) -> None:
    """Say what training on a file would cost, take and prove, by base model. Nothing leaves this machine."""
    given, names = settings_in(settings), listed_models(provider)
    if not names:
        refuse(f"The catalog lists no base model of {provider!r}; it lists: {', '.join(providers())}.")
    with kept(file) as readable:
        report = validate(Task(readable, settings=given))
        if report.broken or not report.valid:
            problem = report.broken or next(iter(report.errors), None)
            refuse(f"{file}: {in_words(problem) if problem else 'it has no examples'}")
        answer_tokens = _answer_tokens(readable, given)
    basis = Basis.of_count(report.valid, report.tokens.total, answer_tokens, COUNTED_ERROR)
    found = [estimate(name, price_of(provider, name), basis, calls=calls) for name in names]
    if as_json:
        sums = {"lines": report.lines, "valid": report.valid, "invalid": report.invalid, "tokens": report.tokens.total}
        rows = [each.model_dump(mode="json") for each in found]
        typer.echo(json.dumps({**sums, "provider": provider, "estimates": rows}, indent=2))
        return
    _show(found, report.valid, report.invalid)


def _answer_tokens(file: Path, settings: Settings) -> float | None:
    """The tokens of an answer, by the first thousand examples."""
    counted = [
        count_messages(found.messages[-1:]) - PER_EXAMPLE
        for found in islice(examples_of(file, settings), SAMPLED)
        if isinstance(found, Example)
    ]
    return sum(counted) / len(counted) if counted else None


def _show(found: list[Estimate], valid: int, invalid: int) -> None:
    first = found[0]
    proves = first.smallest_provable_improvement
    console = Console(soft_wrap=True, highlight=False)
    console.print(
        f"{valid:,} examples ({invalid:,} lines can't be used): {first.examples:,} train, {first.test_rows:,} test.",
        f"The test shows a gain of {100 * proves:.1f} points or more." if proves else "No test: nothing can be proved.",
        f"{first.estimated_tokens:,} tokens are trained on, in {first.epochs} epochs.",
        sep="\n",
    )
    console.print(table_of(found))
    sources = (f"Prices of {each.price_date}: {each.price_source}." for each in found if each.price_date)
    for note in dict.fromkeys(sources):
        console.print(f"- {note}")
    for note, models in _noted(found).items():
        console.print(f"- {note}" if len(models) == len(found) else f"- {', '.join(models)}: {note}")


def _noted(found: list[Estimate]) -> dict[str, list[str]]:
    """Which base models a note is about."""
    notes: dict[str, list[str]] = {}
    for each in found:
        for note in each.notes:
            notes.setdefault(note, []).append(each.base_model)
    return notes


def table_of(found: list[Estimate]) -> Table:
    """Estimates as a table: what training costs and takes, and a month of calls where those were asked for."""
    columns = ["base model", "training", "minutes", "a month of calls", "by the base"]
    wanted = columns if any(each.monthly_calls for each in found) else columns[:3]
    table = Table(*(Column(name, no_wrap=True) for name in wanted), box=None, pad_edge=False)
    for each in found:
        table.add_row(*_row(each)[: len(wanted)])
    return table


def _row(each: Estimate) -> list[str]:
    monthly = each.monthly_calls
    return [
        "any" if each.base_model == ANY_MODEL else each.base_model,
        _usd(each.estimated_cost_usd),
        f"{each.minutes.low}-{each.minutes.high}" if each.minutes else "unknown",
        f"${monthly.cost_usd:,.2f}" if monthly else "",
        f"${monthly.base_cost_usd:,.2f}" if monthly else "",
    ]


def _usd(cost: UsdRange | None) -> str:
    if cost is None:
        return "unknown"
    low, high = f"{cost.low:,.2f}", f"{cost.high:,.2f}"
    return f"${low}" if low == high else f"${low}-{high}"
