"""`tuneloop keys`: creates, lists and revokes API keys by AWS credentials, so that the API needs no admin password."""

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from tuneloop.cli.stage import StageOption, tenants
from tuneloop.cli.terminal import table_console
from tuneloop.domain.core.access import Scope
from tuneloop.domain.core.errors import NotFound
from tuneloop.store.repositories.api_keys import create_key

commands = typer.Typer(help="API keys of a tenant, with your AWS credentials.", no_args_is_help=True)
TenantArgument = Annotated[str, typer.Argument(help="The tenant; created if it doesn't exist.")]
ScopesOption = Annotated[list[Scope], typer.Option("--scope", help="What the key may do; everything by default.")]


@commands.command()
def create(tenant: TenantArgument, scope: ScopesOption = list(Scope), stage: StageOption = "prod") -> None:  # noqa: B006 - Typer reads the default, nobody changes it
    """Create a key and print its secret, once."""
    new = create_key(tenant, frozenset(scope), tenants=tenants(stage), now=datetime.now(UTC))
    note = f"Key {new.key.id} of {tenant} in stage {stage}. Keep the secret: it is not shown again."
    Console(stderr=True).print(note, soft_wrap=True, highlight=False)
    typer.echo(new.secret)


@commands.command("list")
def list_keys(tenant: TenantArgument, stage: StageOption = "prod") -> None:
    """List a tenant's keys, without their secrets."""
    table = Table(Column("key", no_wrap=True), "scopes", "created", "revoked", box=None)
    rows = tenants(stage)
    if not rows.exists(tenant):
        raise NotFound(f"There is no tenant {tenant} in stage {stage}.")
    for key in rows.keys_of(tenant):
        revoked = f"{key.revoked_at:%Y-%m-%d %H:%M}" if key.revoked_at else ""
        table.add_row(key.id, " ".join(sorted(key.scopes)), f"{key.created_at:%Y-%m-%d %H:%M}", revoked)
    table_console().print(table)


@commands.command()
def revoke(tenant: TenantArgument, key: str, stage: StageOption = "prod") -> None:
    """Revoke a key by its id; it is refused within 30 seconds."""
    tenants(stage).revoke_key(tenant, key, datetime.now(UTC))
    typer.echo(f"{key} is revoked; every function refuses it within 30 seconds.")
