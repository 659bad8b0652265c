"""`tuneloop estimate`: estimates offline what training would cost, by the dated prices of the catalog."""

import json
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from rich.console import Console
from rich.table import Column, Table

from tuneloop.cli.example_files import SettingsOption, in_words, read_settings, refuse, rereadable
from tuneloop.cli.file_statistics import FileCount
from tuneloop.cli.terminal import whole_option
from tuneloop.domain.core.limits import ESTIMATED_CALLS, ESTIMATED_EXAMPLES
from tuneloop.domain.exports.example_counts import exclusions_in
from tuneloop.domain.training.estimates import COUNTED_ERROR, Basis, Estimate, ImageTokens, UsdRange, estimate
from tuneloop.providers.catalog import (
    ANY_MODEL,
    RECOMMENDED,
    TrainingPlace,
    base_models,
    dated_name,
    is_local,
    listed_models,
    named_models,
    places_of,
    price_of,
    providers,
)
from tuneloop.validation.file_validation import Task, validate
from tuneloop.validation.local_files import ReadSettings

# Of an example if nothing is known about it: a system prompt, a question and an answer of a few sentences each.
ASSUMED_TOKENS = 300
# Characters. Notes are printed between the table's lines, so each estimate must be one line on a narrow terminal too,
# and rich cuts off longer lines. With the largest numbers that the options allow, today's catalog needs 150.
TABLE_WIDTH = 200

EstimatedFile = Annotated[
    Path | None,
    typer.Argument(help="JSONL or CSV, also compressed (.gz, .zst); or use --examples.", show_default=False),
]
ExamplesOption = Annotated[
    int | None, whole_option(1, ESTIMATED_EXAMPLES, text="Number of examples, instead of a file.")
]
AverageOption = Annotated[
    int | None, whole_option(1, 1_000_000, text=f"Average tokens of an example; {ASSUMED_TOKENS} by default.")
]
CallsOption = Annotated[int | None, whole_option(1, ESTIMATED_CALLS, text="Calls per month to the trained model.")]
ProviderOption = Annotated[
    str | None,
    typer.Option(
        help=f"Provider of the base models; default: the one in --settings, else {RECOMMENDED.provider}.",
        show_default=False,
    ),
]
BaseModelOption = Annotated[
    str | None, typer.Option(help="Only this base model; by default, all of the provider's.", show_default=False)
]
EpochsOption = Annotated[int | None, whole_option(1, 50, text="Epochs of a run; the provider's choice by default.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


class EstimateInput(NamedTuple):
    """The examples of an estimate: the figures to compute with (`basis`), and how the examples are described.

    `sums` describes them as JSON, `words` in one line; `notes` are sentences below the table.
    """

    basis: Basis
    sums: dict[str, Any]
    words: str
    notes: tuple[str, ...] = ()


def estimate_cost(
    file: EstimatedFile = None,
    examples: ExamplesOption = None,
    average_tokens: AverageOption = None,
    calls: CallsOption = None,
    provider: ProviderOption = None,
    base_model: BaseModelOption = None,
    n_epochs: EpochsOption = None,
    as_json: JsonOption = False,
    settings: SettingsOption = None,
) -> None:
    """Estimate what training on a file, or on so many examples, would cost, take and prove. Works offline."""
    read_as = read_settings(settings)
    places = _places(provider, base_model, read_as)
    if (file is None) == (examples is None):
        refuse("Give a file, or --examples and their average length (--average-tokens).")
    if average_tokens is not None and examples is None:
        refuse("--average-tokens goes with --examples; the tokens of a file are counted.")
    source = _input_of_file(file, read_as) if file else _input_of_count(examples or 0, average_tokens, read_as)
    hyperparameters = {"n_epochs": n_epochs} if n_epochs else {}
    estimates = [
        estimate(place.base_model, price_of(*place), source.basis, hyperparameters=hyperparameters, calls=calls)
        for place in places
    ]
    if as_json:
        rows = [row.model_dump(mode="json") for row in estimates]
        typer.echo(json.dumps({**source.sums, "provider": places[0].provider, "estimates": rows}, indent=2))
        return
    _print(places[0].provider, source, estimates, is_one=base_model is not None)


def _print(provider: str, source: EstimateInput, estimates: list[Estimate], *, is_one: bool) -> None:
    """Print estimates as a table; base models without a known price are only named below, unless none has one."""
    priced = [row for row in estimates if is_one or row.estimated_cost_usd] or estimates
    unpriced = [row.base_model for row in estimates if row not in priced]
    first = estimates[0]
    provable_gain = first.smallest_provable_improvement
    typer.echo(f"{source.words}: {first.examples:,} train, {first.test_rows:,} test.")
    typer.echo(
        f"The test shows a gain of {100 * provable_gain:.1f} points or more."
        if provable_gain
        else "No test: nothing can be proved."
    )
    _print_table(provider, priced)
    if unpriced:
        typer.echo(f"Not priced, as what training costs there is not known: {', '.join(unpriced)}.")
    for note in source.notes:
        typer.echo(note)


def _input_of_count(examples: int, average_tokens: int | None, settings: ReadSettings) -> EstimateInput:
    tokens = average_tokens or ASSUMED_TOKENS
    assumed = "" if average_tokens else ", as is assumed without --average-tokens"
    sums = {"examples": examples, "average_tokens": tokens}
    words = f"{examples:,} examples of {tokens:,} tokens{assumed}"
    return EstimateInput(Basis.of_count(examples, examples * tokens, policy=settings.policy), sums, words)


def _input_of_file(file: Path, settings: ReadSettings) -> EstimateInput:
    with rereadable(file) as readable:
        report = validate(Task(readable, settings=settings))
        if report.broken or not report.valid:
            problem = report.broken or next(iter(report.errors), None)
            refuse(f"{file}: {in_words(problem) if problem else 'it has no examples'}")
        file_count = FileCount(readable, settings)
        statistics = file_count.statistics()
    exclusions = exclusions_in(statistics, settings.policy)
    usable = statistics.usable
    if not usable:
        refuse(f"{file}: None of its examples would be trained on. {' '.join(reason.message for reason in exclusions)}")
    policy, marked = settings.policy, statistics.marked
    basis = Basis.of_count(
        usable, statistics.usable_tokens, file_count.answer_tokens, COUNTED_ERROR, policy=policy, marked=marked
    )
    basis = basis._replace(images=file_count.images.scale(basis.examples / report.valid))
    sums: dict[str, Any] = {
        "lines": report.lines,
        "valid": report.valid,
        "invalid": report.invalid,
        "tokens": report.tokens.total,
    }
    sums |= {"usable": usable, "reasons": [reason.model_dump() for reason in exclusions], "notes": statistics.notes}
    images = f" with {file_count.images.images:,} images" if file_count.images else ""
    words = f"{report.valid:,} examples{images} ({report.invalid:,} lines can't be used)"
    notes = (*(reason.message for reason in exclusions), *statistics.notes)
    return EstimateInput(basis, {**sums, "images": file_count.images.images}, words, notes)


def _places(provider: str | None, base_model: str | None, settings: ReadSettings) -> list[TrainingPlace]:
    """The base models to price: the given one, else all of a provider, the recommended or the dataset's own first."""
    if provider is not None and not listed_models(provider):
        refuse(f"The catalog lists no base model of {provider!r}; it lists: {', '.join(providers())}.")
    if base_model is not None:
        return [_place_of(provider, base_model)]
    name = provider or settings.provider or RECOMMENDED.provider
    own_base = settings.base_model if name == (settings.provider or RECOMMENDED.provider) else None
    is_priced = own_base is not None and price_of(name, own_base) is not None
    names = base_models(name, dated_name(name, own_base)) if own_base and is_priced else listed_models(name)
    places = [TrainingPlace(name, base) for base in names if not is_local(base) or base == own_base]
    if not places:
        refuse(f"The catalog lists no base model of {name!r}, the dataset's provider; name one with --provider.")
    return places


def _place_of(provider: str | None, base_model: str) -> TrainingPlace:
    """Where a base model, given by any of its names, is trained."""
    places = places_of(f"{provider}/{base_model}" if provider else base_model)
    if places:
        first = places[0][0]
        return TrainingPlace(first, dated_name(first, base_model.removeprefix(f"{first}/")))
    offers = "; ".join(
        f"{name} has {', '.join(model for model in named_models(name) if not is_local(model))}"
        for name in ([provider] if provider else providers())
    )
    return refuse(f"The catalog knows no base model {base_model!r}{f' of {provider}' if provider else ''}: {offers}.")


def _print_table(provider: str, estimates: list[Estimate]) -> None:
    """Print estimates as a table, each followed by its notes; notes that all of them share are printed at the end."""
    rendering = Console(width=TABLE_WIDTH, highlight=False)
    with rendering.capture() as captured:
        rendering.print(table_of(estimates, provider))
    head, *lines = (line.rstrip() for line in captured.get().splitlines())
    notes = [_notes_of(row) for row in estimates]
    shared = [note for note in notes[0] if all(note in others for others in notes)] if len(estimates) > 1 else []
    console = Console(soft_wrap=True, highlight=False)
    console.print(head, markup=False)
    for line, own_notes in zip(lines, notes, strict=True):
        console.print(line, markup=False)
        for note in own_notes:
            if note not in shared:
                console.print(f"  - {note}", markup=False)
    for note in shared:
        console.print(f"- {note}", markup=False)


def _notes_of(row: Estimate) -> list[str]:
    """The notes of an estimate, including the tokens of its images and the source of its prices."""
    source = [f"Prices of {row.price_date}: {row.price_source}."] if row.price_date else []
    images = [_image_note(row.image_tokens)] if row.image_tokens else []
    return [*row.notes, *images, *source]


def _image_note(tokens: ImageTokens) -> str:
    if tokens.high is None:
        return f"{tokens.images:,} images, of unknown tokens."
    return f"{tokens.images:,} images of {tokens.low:,} to {tokens.high:,} tokens, in each epoch."


def table_of(estimates: list[Estimate], title: str = "base model") -> Table:
    """Estimates as a table: cost and duration of training, and the cost of a month of calls if calls were given."""
    columns = [title, "training", "tokens", "epochs", "minutes", "a month of calls", "by the base"]
    visible = columns if any(row.monthly_calls for row in estimates) else columns[:5]
    table = Table(*(Column(name, no_wrap=True) for name in visible), box=None, pad_edge=False)
    for row in estimates:
        table.add_row(*_cells(row)[: len(visible)])
    return table


def _cells(row: Estimate) -> list[str]:
    monthly = row.monthly_calls
    return [
        "any" if row.base_model == ANY_MODEL else row.base_model,
        _usd(row.estimated_cost_usd),
        f"{row.estimated_tokens:,}",
        str(row.n_epochs),
        f"{row.minutes.low}-{row.minutes.high}" if row.minutes else "unknown",
        f"${monthly.cost_usd:,.2f}" if monthly else "",
        f"${monthly.base_cost_usd:,.2f}" if monthly else "",
    ]


def _usd(cost: UsdRange | None) -> str:
    if cost is None:
        return "unknown"
    low, high = f"{cost.low:,.2f}", f"{cost.high:,.2f}"
    return f"${low}" if low == high else f"${low}-{high}"
