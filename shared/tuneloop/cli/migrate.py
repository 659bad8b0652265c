"""`tuneloop migrate`: trains a model's data on another base model before its own base model is shut down.

It trains the export of the model's stable version, so that the two versions differ only in their base model. Like any
version, the new one is evaluated against the version that serves.
"""

from decimal import Decimal
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.live import Live

from tuneloop.cli.api import ApiClient
from tuneloop.cli.runs import REDRAWS_PER_SECOND, RunProgress
from tuneloop.domain.chat.images import ImageUnits
from tuneloop.domain.core.errors import Conflict, InvalidInput
from tuneloop.domain.evaluation.evaluations import FEWEST_ROWS
from tuneloop.domain.training.estimates import Basis, Estimate, estimate
from tuneloop.providers.catalog import TrainingPlace, dated_name, price_of

PAGE = 100  # the newest versions are considered; the API lists no more at once
ModelArgument = Annotated[str, typer.Argument(help="The model whose base model is to be replaced.")]
ToOption = Annotated[str | None, typer.Option("--to", help="PROVIDER/BASE; by default, the successor in the catalog.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Don't ask for confirmation, whatever it costs.")]


def migrate(model: ModelArgument, to: ToOption = None, yes: YesOption = False) -> None:
    """Train a model's data again on another base model; exit status 1 unless that succeeds."""
    console = Console(soft_wrap=True, highlight=False)
    with ApiClient.from_environment() as api:
        version = _version(api, model)
        place = _parse_place(to) if to else _successor(version)
        _require_movable(api, model, version, place)
        _require_trainable(api, version, place)
        estimated = _estimate(api, version, place)
        is_evaluated = estimated.test_rows >= FEWEST_ROWS
        console.print(
            f"{model} version {version['number']} is trained on {_place_of(version)}; it would move to {place}."
        )
        console.print(f"Its export {version['export']} trains {estimated.examples:,} examples: {_cost(estimated)}.")
        wait = api.get(f"/models/{model}/deployment")["waiting_for"]
        for note in (*estimated.notes, *([f"What it makes won't serve by itself. {wait}"] if wait else [])):
            console.print(f"- {note}")
        if not yes and not typer.confirm("Train there?"):
            raise typer.Exit(1)
        run = _launch(api, version, place)
        last = _follow(api, run, console)
    console.line()
    if last["status"] != "succeeded":
        raise typer.Exit(1)
    next_step = (
        "is evaluated against what serves now" if is_evaluated else "is not evaluated: its export has no test set"
    )
    console.print(f"Version {last['version']} {next_step}; `tuneloop runs show {run}` shows its run.")


def _require_movable(api: ApiClient, model: str, version: dict[str, Any], place: TrainingPlace) -> None:
    """Raise Conflict if the model is trained there already, or if its dataset's runs make versions of another model."""
    if place == _place_of(version):
        raise Conflict(f"{model} is trained on {place} already.", code="already_there")
    trained_model = api.get(f"/datasets/{version['dataset']}")["model"]
    if trained_model != model:
        message = f"{model} got its name from a job's suffix, and a run of its data makes versions of {trained_model}"
        raise Conflict(
            f"{message}: send the job again to /fine_tuning/jobs, with the other model.", code="named_by_job"
        )


def _require_trainable(api: ApiClient, version: dict[str, Any], place: TrainingPlace) -> None:
    """Raise the error for which the stage would refuse the run, by a dry run, before anything is priced or asked.

    The stage may lack the provider or its key, and the base model may be unknown there or not accept such data.
    """
    api.post("/training-runs", {**_run_request(version, place), "dry_run": True})


def _version(api: ApiClient, model: str) -> dict[str, Any]:
    """The model's stable version if it was trained here, else the newest one that was; Conflict if none was."""
    stable = api.get(f"/models/{model}/deployment")["stable"]
    versions = api.get(f"/models/{model}/versions", limit=PAGE)["data"]
    trained = [version for version in versions if version.get("export") and version["is_finetuned"]]
    if not trained:
        message = f"No version of {model} was trained here, so there is no export to train again."
        raise Conflict(message, code="no_export")
    return next((version for version in trained if version["number"] == stable), trained[0])


def _place_of(version: dict[str, Any]) -> TrainingPlace:
    return TrainingPlace(version["provider"], version["base_model"])


def _parse_place(text: str) -> TrainingPlace:
    provider, slash, base_model = text.partition("/")
    if not (provider and slash and base_model):
        raise InvalidInput("--to must be PROVIDER/BASE, such as bedrock/amazon.nova-lite-v1:0.", param="to")
    return TrainingPlace(provider, dated_name(provider, base_model))


def _successor(version: dict[str, Any]) -> TrainingPlace:
    offer = price_of(*_place_of(version))
    if offer is None or offer.successor is None:
        message = f"No successor of {_place_of(version)} is known: name one with --to PROVIDER/BASE."
        raise Conflict(message, code="no_successor")
    return TrainingPlace(offer.successor.provider, offer.successor.base_model)


def _estimate(api: ApiClient, version: dict[str, Any], place: TrainingPlace) -> Estimate:
    files = api.get(f"/datasets/{version['dataset']}/exports/{version['export']}")["files"]
    train, test = files["train"], files["test"]
    images = ImageUnits.model_validate(train["images"]) if train.get("images") else None
    basis = Basis(train["examples"], train["tokens"], test["examples"], 0, images=images)
    return estimate(place.base_model, price_of(*place), basis)


def _cost(estimated: Estimate) -> str:
    cost = estimated.estimated_cost_usd
    tokens = f"{estimated.estimated_tokens:,} tokens in {estimated.n_epochs} epochs"
    if cost is None:
        return f"{tokens}, at a price that is not known here"
    return f"{tokens}, for nothing" if cost.high == Decimal(0) else f"{tokens}, about ${cost.low:,.2f}-{cost.high:,.2f}"


def _launch(api: ApiClient, version: dict[str, Any], place: TrainingPlace) -> str:
    return str(api.post("/training-runs", _run_request(version, place))["id"])


def _run_request(version: dict[str, Any], place: TrainingPlace) -> dict[str, Any]:
    """The request for a run that trains a version's export at a place."""
    return {"dataset": version["dataset"], "export": version["export"], **place._asdict()}


def _follow(api: ApiClient, run: str, console: Console) -> dict[str, Any]:
    """Show a run until it has ended, and return it; the run is confirmed, as the user has agreed to it already."""
    view, last = RunProgress(), dict[str, Any]()
    with Live(view, console=console, refresh_per_second=REDRAWS_PER_SECOND):
        for last, events in api.follow(run):
            view.update(last, events)
            if last["status"] == "awaiting_confirmation":
                api.post(f"/training-runs/{run}/confirm", {})
    return last
