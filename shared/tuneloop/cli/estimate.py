"""`tuneloop estimate`: what examples would cost to train on, said offline from the catalog's dated prices."""

import json
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from tuneloop.cli.estimate_table import show
from tuneloop.cli.file_statistics import FileCount
from tuneloop.cli.numbers import whole_option
from tuneloop.cli.reading import SettingsOption, in_words, kept, refuse, settings_in
from tuneloop.domain.core.limits import ESTIMATED_CALLS, ESTIMATED_EXAMPLES
from tuneloop.domain.exports.example_counts import exclusions_in
from tuneloop.domain.training.estimates import COUNTED_ERROR, Basis, Estimate, estimate
from tuneloop.providers.catalog import (
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

# Of an example that nobody has described: a system prompt, a question and an answer of a few sentences each.
ASSUMED_TOKENS = 300

EstimatedFile = Annotated[
    Path | None, typer.Argument(help="JSONL or CSV, packed (.gz, .zst) or not; or give --examples.", show_default=False)
]
ExamplesOption = Annotated[
    int | None, whole_option(1, ESTIMATED_EXAMPLES, text="So many examples, in the place of a file.")
]
AverageOption = Annotated[
    int | None, whole_option(1, 1_000_000, text=f"Tokens of one of them; {ASSUMED_TOKENS} if not given.")
]
CallsOption = Annotated[int | None, whole_option(1, ESTIMATED_CALLS, text="Calls a month to what was trained.")]
ProviderOption = Annotated[
    str | None,
    typer.Option(
        help=f"Whose base models; the dataset's by --settings, else {RECOMMENDED.provider}.", show_default=False
    ),
]
BaseModelOption = Annotated[
    str | None, typer.Option(help="This base model alone; without it, all that the provider has.", show_default=False)
]
EpochsOption = Annotated[int | None, whole_option(1, 50, text="Epochs that a run is to have; else the provider's.")]
JsonOption = Annotated[bool, typer.Option("--json", help="As JSON.")]


class EstimateInput(NamedTuple):
    """What is estimated for: its basis, and what is said of it, as JSON has it and in words; `told` are sentences."""

    basis: Basis
    sums: dict[str, Any]
    words: str
    told: tuple[str, ...] = ()


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
    """Say what training on a file or so many examples would cost, take and prove. Nothing leaves this machine."""
    given = settings_in(settings)
    places = _places(provider, base_model, given)
    if (file is None) == (examples is None):
        refuse("Give a file, or --examples and how long they are on average (--average-tokens).")
    if average_tokens is not None and examples is None:
        refuse("--average-tokens belongs to --examples; those of a file are counted.")
    counted = _of_file(file, given) if file else _of_count(examples or 0, average_tokens, given)
    chosen = {"n_epochs": n_epochs} if n_epochs else {}
    found = [
        estimate(place.base_model, price_of(*place), counted.basis, hyperparameters=chosen, calls=calls)
        for place in places
    ]
    if as_json:
        rows = [each.model_dump(mode="json") for each in found]
        typer.echo(json.dumps({**counted.sums, "provider": places[0].provider, "estimates": rows}, indent=2))
        return
    _print(places[0].provider, counted, found, is_one=base_model is not None)


def _print(provider: str, counted: EstimateInput, found: list[Estimate], *, is_one: bool) -> None:
    """The estimates as a table; base models whose price isn't known are named below it unless there are no others."""
    known = [each for each in found if is_one or each.estimated_cost_usd] or found
    others = [each.base_model for each in found if each not in known]
    first = found[0]
    proves = first.smallest_provable_improvement
    typer.echo(f"{counted.words}: {first.examples:,} train, {first.test_rows:,} test.")
    typer.echo(
        f"The test shows a gain of {100 * proves:.1f} points or more." if proves else "No test: nothing can be proved."
    )
    show(provider, known)
    if others:
        typer.echo(f"Not priced, as what training costs there is not known: {', '.join(others)}.")
    for sentence in counted.told:
        typer.echo(sentence)


def _of_count(examples: int, average_tokens: int | None, settings: ReadSettings) -> EstimateInput:
    tokens = average_tokens or ASSUMED_TOKENS
    assumed = "" if average_tokens else ", as is assumed without --average-tokens"
    sums = {"examples": examples, "average_tokens": tokens}
    words = f"{examples:,} examples of {tokens:,} tokens{assumed}"
    return EstimateInput(Basis.of_count(examples, examples * tokens, policy=settings.policy), sums, words)


def _of_file(file: Path, settings: ReadSettings) -> EstimateInput:
    with kept(file) as readable:
        report = validate(Task(readable, settings=settings))
        if report.broken or not report.valid:
            problem = report.broken or next(iter(report.errors), None)
            refuse(f"{file}: {in_words(problem) if problem else 'it has no examples'}")
        counted = FileCount(readable, settings)
        found = counted.statistics()
    reasons = exclusions_in(found, settings.policy)
    if not found.usable:
        refuse(f"{file}: None of its examples would be trained on. {' '.join(each.message for each in reasons)}")
    policy, marked = settings.policy, found.marked
    basis = Basis.of_count(
        found.usable, found.usable_tokens, counted.answer_tokens, COUNTED_ERROR, policy=policy, marked=marked
    )
    basis = basis._replace(images=counted.images.scaled(basis.examples / report.valid))
    sums: dict[str, Any] = {
        "lines": report.lines,
        "valid": report.valid,
        "invalid": report.invalid,
        "tokens": report.tokens.total,
    }
    sums |= {"usable": found.usable, "reasons": [each.model_dump() for each in reasons], "notes": found.notes}
    shown = f" with {counted.images.images:,} images" if counted.images else ""
    words = f"{report.valid:,} examples{shown} ({report.invalid:,} lines can't be used)"
    told = (*(each.message for each in reasons), *found.notes)
    return EstimateInput(basis, {**sums, "images": counted.images.images}, words, told)


def _places(provider: str | None, base_model: str | None, settings: ReadSettings) -> list[TrainingPlace]:
    """The base models to price: the one that is named, else all of a provider's, the recommended or own one first."""
    if provider is not None and not listed_models(provider):
        refuse(f"The catalog lists no base model of {provider!r}; it lists: {', '.join(providers())}.")
    if base_model is not None:
        return [_named(provider, base_model)]
    name = provider or settings.provider or RECOMMENDED.provider
    own = settings.base_model if name == (settings.provider or RECOMMENDED.provider) else None
    is_known = own is not None and price_of(name, own) is not None
    names = base_models(name, dated_name(name, own)) if own and is_known else listed_models(name)
    places = [TrainingPlace(name, each) for each in names if not is_local(each) or each == own]
    if not places:
        refuse(f"The catalog lists no base model of {name!r}, the dataset's provider; name one with --provider.")
    return places


def _named(provider: str | None, base_model: str) -> TrainingPlace:
    """Where a base model is trained, by any of its names."""
    found = places_of(f"{provider}/{base_model}" if provider else base_model)
    if found:
        at = found[0][0]
        return TrainingPlace(at, dated_name(at, base_model.removeprefix(f"{at}/")))
    there = "; ".join(
        f"{each} has {', '.join(name for name in named_models(each) if not is_local(name))}"
        for each in ([provider] if provider else providers())
    )
    return refuse(f"The catalog knows no base model {base_model!r}{f' of {provider}' if provider else ''}: {there}.")
