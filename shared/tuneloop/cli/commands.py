"""The commands by name."""

import typer

from tuneloop.cli import chat, drop, drops, keys, redrive, runs

cli = typer.Typer(
    name="tuneloop",
    help="A fine-tuning loop in your own AWS account.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
cli.add_typer(keys.commands, name="keys")
cli.add_typer(runs.commands, name="runs")
cli.add_typer(drops.commands, name="drops")
cli.command("drop")(drop.drop)
cli.command("chat")(chat.chat)
cli.command("redrive")(redrive.redrive)
