"""`tuneloop drops`: what lies in `incoming/` and is nobody's, read with AWS credentials."""

import json

import typer

from tuneloop.cli.stage import StageOption, datasets

commands = typer.Typer(no_args_is_help=True)


@commands.callback()
def group() -> None:
    """Dropped files, with your AWS credentials."""


@commands.command()
def refused(stage: StageOption = "prod") -> None:
    """List the files of the last 30 days whose path names no tenant or dataset; nothing of them was read."""
    found = datasets(stage).refused()
    if not found:
        typer.echo("No refused drops.")
    for drop in found:
        name = drop.object if drop.object.isprintable() else json.dumps(drop.object)
        typer.echo(f"{drop.created_at:%Y-%m-%d %H:%M}  {drop.code}  {name}\n    {drop.message}")
