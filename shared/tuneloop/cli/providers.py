"""`tuneloop providers`: where a stage may train and serve, added with AWS credentials and without a deploy.

Settings lie in the stage's table, keys and secrets in SSM and nowhere else: they are typed unseen or piped in, never
given as an argument, and no command shows them again.
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

NAMED_AT_MOST = 10
WITH_STAGE = "{0} was deployed with stage {1}: its settings are in the stage's file, its key by `make provider-key`."
LONGEST = 4096  # what a standard parameter holds; the standard tier costs nothing
commands = typer.Typer(help="Providers of a stage, with your AWS credentials.", no_args_is_help=True)
NameArgument = Annotated[str, typer.Argument(help="A name for it; prices are those that the catalog lists under it.")]
UrlOption = Annotated[str, typer.Option("--base-url", help="Where it answers, `/v1` included: https://….")]
KindOption = Annotated[ProviderKind, typer.Option("--kind", help="Which wire it speaks.")]
TierOption = Annotated[str | None, typer.Option("--training-type", help="Azure's tier, such as globalStandard.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Although it is in use.")]
SecretOption = Annotated[bool, typer.Option("--webhook-secret", help="Ask for the secret of its webhooks too.")]


@commands.command()
def add(
    name: NameArgument,
    base_url: UrlOption = "",
    kind: KindOption = ProviderKind.OPENAI,
    training_type: TierOption = None,
    webhook_secret: SecretOption = False,
    stage: StageOption = "prod",
) -> None:
    """Add a provider, or change one; its key is asked for, or read from what is piped in, a line each."""
    checked_name(name, "name")
    if kind == ProviderKind.BEDROCK or name == BEDROCK.name:
        raise InvalidInput("Bedrock has no key: set `bedrock` in the stage's file and deploy.", param="kind")
    if name == own_provider(stage):
        raise InvalidInput(WITH_STAGE.format(name, stage), param="name")
    address, known = checked_address(base_url, is_emulated=is_emulated(stage)), providers(stage)
    before = known.find(name)
    _store(key_parameter(stage, name), f"API key of {name}")
    secret = webhook_parameter(stage, name) if webhook_secret else before and before.webhook_parameter
    if webhook_secret:
        _store(webhook_parameter(stage, name), f"Webhook secret of {name}", checked_secret)
    added = RegisteredProvider(
        name=name,
        kind=kind,
        base_url=address,
        key_parameter=key_parameter(stage, name),
        webhook_parameter=secret,
        training_type=training_type or (before.training_type if before else None),
        created_at=before.created_at if before else datetime.now(UTC),
        seq=before.seq if before else 0,
    )
    known.save(added)
    what = "changed" if before else "added"
    typer.echo(f"{name} is {what} in stage {stage}; functions that run already see it within a minute.")


@commands.command("list")
def list_providers(stage: StageOption = "prod") -> None:
    """List the providers that runs of a stage may name: those of its deployment, its default first, and those added."""
    table = Table(Column("provider", no_wrap=True), "kind", "address", "added", box=None)
    for name, address in own_providers(stage).items():
        kind = ProviderKind.BEDROCK if name == BEDROCK.name else ProviderKind.OPENAI
        table.add_row(name, kind, without_user(address), "with the stage")
    for one in providers(stage).all():
        added = f"{one.created_at:%Y-%m-%d %H:%M}" if one.created_at else ""
        table.add_row(one.name, one.kind, without_user(one.base_url), added)
    table_console().print(table)


@commands.command()
def show(name: str, stage: StageOption = "prod") -> None:
    """Show a provider's settings as JSON, and since when its key is stored; never the key."""
    found = _found(name, stage)
    settings = found.model_dump(mode="json", exclude={"seq"})
    settings["base_url"] = without_user(found.base_url)
    settings["key_stored_at"] = _stored_at(found.key_parameter)
    if found.webhook_parameter:
        settings["webhook_secret_stored_at"] = _stored_at(found.webhook_parameter)
    Console().print_json(json.dumps(settings))


@commands.command()
def remove(name: str, stage: StageOption = "prod", force: ForceOption = False) -> None:
    """Forget a provider and its key; with --force also where its runs go on or its versions serve."""
    found = _found(name, stage)
    if not force and (used := _used(name, stage)):
        raise Conflict(f"{name} is still in use: {', '.join(used)}. With --force they are left without it.")
    providers(stage).remove(name)
    for parameter in filter(None, (found.key_parameter, found.webhook_parameter)):
        if _stored_at(parameter):
            _ssm().delete_parameter(Name=parameter)
    typer.echo(f"{name} is removed from stage {stage}, and its key from SSM.")


def _found(name: str, stage: str) -> RegisteredProvider:
    if name in own_providers(stage):
        raise NotFound(WITH_STAGE.format(name, stage))
    if (found := providers(stage).find(name)) is None:
        raise NotFound(
            f"No provider {name} was added to stage {stage}; `tuneloop providers list` shows those that were."
        )
    return found


def _used(name: str, stage: str) -> list[str]:
    """What of a stage needs a provider: its open runs, and the versions that serve, by tenant and name."""
    open_runs = [f"{run.tenant}/{run.id}" for run in runs(stage).open() if run.provider == name]
    registry = models(stage)
    serving = []
    for tenant in tenants(stage).all():
        for model in registry.all(tenant.id):
            stable = registry.deployment(tenant.id, model.id).stable
            if registry.version(tenant.id, model.id, stable).provider == name:
                serving.append(f"{tenant.id}/{model.id}")
    return (open_runs + serving)[:NAMED_AT_MOST]


def _store(parameter: str, what: str, check: Callable[[str], object] = str) -> None:
    given = (getpass.getpass(f"{what} (not shown): ") if sys.stdin.isatty() else sys.stdin.readline()).strip()
    if not given or not given.isascii() or not given.isprintable() or " " in given or len(given) > LONGEST:
        raise InvalidInput(f"{what}: one word of printable characters was expected. It was not stored.")
    check(given)
    _ssm().put_parameter(Name=parameter, Value=given, Type="SecureString", Overwrite=True)


def checked_secret(given: str) -> None:
    """InvalidInput where no webhook could ever be signed by a secret."""
    kind, _, secret = given.partition("_")
    try:
        key = b64decode(secret, validate=True)
    except ValueError:
        key = b""
    if kind != "whsec" or not key:
        raise InvalidInput(
            "The webhook secret: must be whsec_ and base64, as the provider shows it. It was not stored."
        )


def _stored_at(parameter: str) -> str | None:
    """When a parameter was last written, None where there is none."""
    wanted = [{"Key": "Name", "Option": "Equals", "Values": [parameter]}]
    found: list[Any] = _ssm().describe_parameters(ParameterFilters=wanted)["Parameters"]
    return found[0]["LastModifiedDate"].isoformat() if found else None


def _ssm() -> Any:
    return boto3.client("ssm")
