"""The offline commands, which only use files on this machine.

Importing this module loads neither boto3 nor OpenAI's client, which would take half a second and 30 MB.
"""

import typer

from tuneloop.cli import convert, estimate, validate


def new_cli() -> typer.Typer:
    """The `tuneloop` command, without subcommands yet."""
    return typer.Typer(
        name="tuneloop",
        help="A fine-tuning loop in your own AWS account.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )


def add_to(group: typer.Typer) -> None:
    """Add `validate`, `estimate` and `convert` to a group of commands."""
    group.command("validate")(validate.check_file)
    group.command("estimate")(estimate.estimate_cost)
    group.command("convert")(convert.convert)


cli = new_cli()
add_to(cli)
