"""`tuneloop migrate`: a model's own data, trained again on a base model that lives on, and proved against what serves.

The export is the one that the model's stable version was trained on, so that the two differ in nothing but their base.
"""

from decimal import Decimal
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.live import Live

from tuneloop.cli.api import ApiClient
from tuneloop.cli.runs import RunProgress
from tuneloop.domain.chat.images import ImageUnits
from tuneloop.domain.core.errors import Conflict, InvalidInput
from tuneloop.domain.evaluation.evaluations import FEWEST_ROWS
from tuneloop.domain.training.estimates import Basis, Estimate, estimate
from tuneloop.providers.catalog import TrainingPlace, dated_name, price_of

PAGE = 100
ModelArgument = Annotated[str, typer.Argument(help="The model whose base is about to go.")]
ToOption = Annotated[str | None, typer.Option("--to", help="PROVIDER/BASE; the catalog's successor if not given.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Don't ask, whatever it costs.")]


def migrate(model: ModelArgument, to: ToOption = None, yes: YesOption = False) -> None:
    """Train a model's data again on a base model that lives on; exit status 1 unless that succeeds."""
    console = Console(soft_wrap=True, highlight=False)
    with ApiClient.from_environment() as api:
        version = _version(api, model)
        place = _place(to) if to else _successor(version)
        _require_way(api, model, version, place)
        _require_trainable(api, version, place)
        found = _estimate(api, version, place)
        is_proved = found.test_rows >= FEWEST_ROWS
        console.print(f"{model} version {version['number']} is trained on {_of(version)}; it would move to {place}.")
        console.print(f"Its export {version['export']} trains {found.examples:,} examples: {_cost(found)}.")
        wait = api.get(f"/models/{model}/deployment")["waiting_for"]
        for note in (*found.notes, *([f"What it makes won't serve by itself. {wait}"] if wait else [])):
            console.print(f"- {note}")
        if not yes and not typer.confirm("Train there?"):
            raise typer.Exit(1)
        run = _launched(api, version, place)
        last = _followed(api, run, console)
    console.line()
    if last["status"] != "succeeded":
        raise typer.Exit(1)
    then = "is evaluated against what serves now" if is_proved else "is not evaluated: its export has no test set"
    console.print(f"Version {last['version']} {then}; `tuneloop runs show {run}` shows its run.")


def _require_way(api: ApiClient, model: str, version: dict[str, Any], place: TrainingPlace) -> None:
    """Refuse a place where the model is already, or data that feeds another model."""
    if place == _of(version):
        raise Conflict(f"{model} is trained on {place} already.", code="already_there")
    own = api.get(f"/datasets/{version['dataset']}")["model"]
    if own != model:
        message = f"{model} got its name from a job's suffix, and a run of its data makes versions of {own}"
        raise Conflict(
            f"{message}: send the job again to /fine_tuning/jobs, with the other model.", code="named_by_job"
        )


def _require_trainable(api: ApiClient, version: dict[str, Any], place: TrainingPlace) -> None:
    """Refuse what the stage would refuse, before anything is priced or asked; its own check says so, and why.

    The stage may have no such provider or no key for it, and the base model may be unknown there or not take such data.
    """
    api.post("/training-runs", {**_wanted(version, place), "dry_run": True})


def _version(api: ApiClient, model: str) -> dict[str, Any]:
    """The model's stable version, or where that wasn't trained here the newest that was."""
    stable = api.get(f"/models/{model}/deployment")["stable"]
    trained = [one for one in api.get(f"/models/{model}/versions", limit=PAGE)["data"] if one.get("export")]
    made = [one for one in trained if one["is_finetuned"]]
    if not made:
        message = f"No version of {model} was trained here, so there is no export to train again."
        raise Conflict(message, code="no_export")
    return next((one for one in made if one["number"] == stable), made[0])


def _of(version: dict[str, Any]) -> TrainingPlace:
    return TrainingPlace(version["provider"], version["base_model"])


def _place(said: str) -> TrainingPlace:
    provider, slash, base_model = said.partition("/")
    if not (provider and slash and base_model):
        raise InvalidInput("--to: must be PROVIDER/BASE, such as bedrock/amazon.nova-lite-v1:0.", param="to")
    return TrainingPlace(provider, dated_name(provider, base_model))


def _successor(version: dict[str, Any]) -> TrainingPlace:
    offer = price_of(*_of(version))
    if offer is None or offer.successor is None:
        message = f"No successor of {_of(version)} is known: name one with --to PROVIDER/BASE."
        raise Conflict(message, code="no_successor")
    return TrainingPlace(offer.successor.provider, offer.successor.base_model)


def _estimate(api: ApiClient, version: dict[str, Any], place: TrainingPlace) -> Estimate:
    files = api.get(f"/datasets/{version['dataset']}/exports/{version['export']}")["files"]
    train, test = files["train"], files["test"]
    images = ImageUnits.model_validate(train["images"]) if train.get("images") else None
    basis = Basis(train["examples"], train["tokens"], test["examples"], 0, images=images)
    return estimate(place.base_model, price_of(*place), basis)


def _cost(found: Estimate) -> str:
    cost, tokens = found.estimated_cost_usd, f"{found.estimated_tokens:,} tokens in {found.n_epochs} epochs"
    if cost is None:
        return f"{tokens}, at a price that is not known here"
    return f"{tokens}, for nothing" if cost.high == Decimal(0) else f"{tokens}, about ${cost.low:,.2f}-{cost.high:,.2f}"


def _launched(api: ApiClient, version: dict[str, Any], place: TrainingPlace) -> str:
    return str(api.post("/training-runs", _wanted(version, place))["id"])


def _wanted(version: dict[str, Any], place: TrainingPlace) -> dict[str, Any]:
    """The request for a run that trains a version's export at a place."""
    return {"dataset": version["dataset"], "export": version["export"], **place._asdict()}


def _followed(api: ApiClient, run: str, console: Console) -> dict[str, Any]:
    """The run at its end; what it waits for is confirmed, as its user has just done so."""
    view, last = RunProgress(), dict[str, Any]()
    with Live(view, console=console, refresh_per_second=8):
        for last, events in api.follow(run):
            view.update(last, events)
            if last["status"] == "awaiting_confirmation":
                api.post(f"/training-runs/{run}/confirm", {})
    return last
