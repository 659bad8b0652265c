"""`tuneloop providers`: adds providers to a stage without deploying it; needs AWS credentials.

Settings are stored in the stage's table, keys and secrets only in SSM. Secrets are typed unseen or piped in, never
given as an argument, which a shell would keep in its history, and no command shows them again.
"""

import getpass
import json
import sys
from base64 import b64decode
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any

import boto3
import typer
from rich.console import Console
from rich.table import Column, Table

from tuneloop.cli.stage import StageOption, is_emulated, models, own_provider, own_providers, providers, runs, tenants
from tuneloop.cli.terminal import table_console
from tuneloop.domain.core.addresses import without_user
from tuneloop.domain.core.errors import Conflict, InvalidInput, NotFound
from tuneloop.domain.core.ids import checked_name
from tuneloop.domain.training.providers import (
    BEDROCK,
    ProviderKind,
    RegisteredProvider,
    checked_address,
    key_parameter,
    webhook_parameter,
)

MAX_NAMED = 10  # runs and versions in the refusal to remove a provider, so that it stays one sentence
WITH_STAGE = "{0} was deployed with stage {1}: its settings are in the stage's file, its key by `make provider-key`."
LONGEST_SECRET = 4096  # characters, the limit of a standard parameter of SSM, which costs nothing
commands = typer.Typer(help="Providers of a stage, with your AWS credentials.", no_args_is_help=True)
NameArgument = Annotated[str, typer.Argument(help="Its name; prices are those under this name in the catalog.")]
UrlOption = Annotated[str, typer.Option("--base-url", help="Its address, including `/v1`: https://….")]
KindOption = Annotated[ProviderKind, typer.Option("--kind", help="The API that it speaks.")]
TierOption = Annotated[str | None, typer.Option("--training-type", help="Azure's tier, such as globalStandard.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Remove it even if it is in use.")]
SecretOption = Annotated[bool, typer.Option("--webhook-secret", help="Also ask for the secret of its webhooks.")]


@commands.command()
def add(
    name: NameArgument,
    base_url: UrlOption = "",
    kind: KindOption = ProviderKind.OPENAI,
    training_type: TierOption = None,
    webhook_secret: SecretOption = False,
    stage: StageOption = "prod",
) -> None:
    """Add or change a provider; its key is asked for, or read from standard input, one secret per line."""
    checked_name(name, "name")
    if kind == ProviderKind.BEDROCK or name == BEDROCK.name:
        raise InvalidInput("Bedrock has no key: set `bedrock` in the stage's file and deploy.", param="kind")
    if name == own_provider(stage):
        raise InvalidInput(WITH_STAGE.format(name, stage), param="name")
    address, registered = checked_address(base_url, is_emulated=is_emulated(stage)), providers(stage)
    existing = registered.find(name)
    _store(key_parameter(stage, name), f"API key of {name}")
    secret = webhook_parameter(stage, name) if webhook_secret else existing and existing.webhook_parameter
    if webhook_secret:
        _store(webhook_parameter(stage, name), f"Webhook secret of {name}", check_webhook_secret)
    added = RegisteredProvider(
        name=name,
        kind=kind,
        base_url=address,
        key_parameter=key_parameter(stage, name),
        webhook_parameter=secret,
        training_type=training_type or (existing.training_type if existing else None),
        created_at=existing.created_at if existing else datetime.now(UTC),
        seq=existing.seq if existing else 0,
    )
    registered.save(added)
    outcome = "changed" if existing else "added"
    typer.echo(f"{name} is {outcome} in stage {stage}; functions that run already see it within a minute.")


@commands.command("list")
def list_providers(stage: StageOption = "prod") -> None:
    """List the providers of a stage: those that it was deployed with, the default first, then those added later."""
    table = Table(Column("provider", no_wrap=True), "kind", "address", "added", box=None)
    for name, address in own_providers(stage).items():
        kind = ProviderKind.BEDROCK if name == BEDROCK.name else ProviderKind.OPENAI
        table.add_row(name, kind, without_user(address), "with the stage")
    for provider in providers(stage).all():
        added = f"{provider.created_at:%Y-%m-%d %H:%M}" if provider.created_at else ""
        table.add_row(provider.name, provider.kind, without_user(provider.base_url), added)
    table_console().print(table)


@commands.command()
def show(name: str, stage: StageOption = "prod") -> None:
    """Show a provider's settings as JSON, with the time when its key was stored, but never the key."""
    provider = _registered(name, stage)
    settings = provider.model_dump(mode="json", exclude={"seq"})
    settings["base_url"] = without_user(provider.base_url)
    settings["key_stored_at"] = _stored_at(provider.key_parameter)
    if provider.webhook_parameter:
        settings["webhook_secret_stored_at"] = _stored_at(provider.webhook_parameter)
    Console().print_json(json.dumps(settings))


@commands.command()
def remove(name: str, stage: StageOption = "prod", force: ForceOption = False) -> None:
    """Remove a provider and its key; with --force even if it has open runs or serving versions."""
    provider = _registered(name, stage)
    if not force and (users := _users_of(name, stage)):
        raise Conflict(f"{name} is still in use: {', '.join(users)}. With --force they are left without it.")
    providers(stage).remove(name)
    for parameter in filter(None, (provider.key_parameter, provider.webhook_parameter)):
        if _stored_at(parameter):
            _ssm().delete_parameter(Name=parameter)
    typer.echo(f"{name} is removed from stage {stage}, and its key from SSM.")


def _registered(name: str, stage: str) -> RegisteredProvider:
    """The provider of this name that was added to a stage; NotFound if there is none, or if it was deployed with it."""
    if name in own_providers(stage):
        raise NotFound(WITH_STAGE.format(name, stage))
    if (provider := providers(stage).find(name)) is None:
        raise NotFound(
            f"No provider {name} was added to stage {stage}; `tuneloop providers list` shows those that were."
        )
    return provider


def _users_of(name: str, stage: str) -> list[str]:
    """The open runs and serving models that need a provider, as `tenant/id`, at most `MAX_NAMED`."""
    open_runs = [f"{run.tenant}/{run.id}" for run in runs(stage).open() if run.provider == name]
    registry = models(stage)
    serving = []
    for tenant in tenants(stage).all():
        for model in registry.all(tenant.id):
            stable = registry.deployment(tenant.id, model.id).stable
            if registry.version(tenant.id, model.id, stable).provider == name:
                serving.append(f"{tenant.id}/{model.id}")
    return (open_runs + serving)[:MAX_NAMED]


def _store(parameter: str, label: str, check: Callable[[str], object] = str) -> None:
    """Ask for a secret and store it in SSM; InvalidInput, before anything is stored, if it isn't one printable word."""
    secret = (getpass.getpass(f"{label} (not shown): ") if sys.stdin.isatty() else sys.stdin.readline()).strip()
    if not secret or not secret.isascii() or not secret.isprintable() or " " in secret or len(secret) > LONGEST_SECRET:
        raise InvalidInput(f"{label}: one word of printable characters was expected. It was not stored.")
    check(secret)
    _ssm().put_parameter(Name=parameter, Value=secret, Type="SecureString", Overwrite=True)


def check_webhook_secret(secret: str) -> None:
    """Raise InvalidInput unless the secret is one of webhooks: `whsec_` followed by base64."""
    prefix, _, encoded = secret.partition("_")
    try:
        key = b64decode(encoded, validate=True)
    except ValueError:
        key = b""
    if prefix != "whsec" or not key:
        raise InvalidInput(
            "The webhook secret: must be whsec_ and base64, as the provider shows it. It was not stored."
        )


def _stored_at(parameter: str) -> str | None:
    """The time when a parameter of SSM was last written; None if it doesn't exist."""
    by_name = [{"Key": "Name", "Option": "Equals", "Values": [parameter]}]
    parameters: list[Any] = _ssm().describe_parameters(ParameterFilters=by_name)["Parameters"]
    return parameters[0]["LastModifiedDate"].isoformat() if parameters else None


def _ssm() -> Any:
    return boto3.client("ssm")
