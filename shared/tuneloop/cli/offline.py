"""The offline commands, which work on files of this machine alone.

Importing them loads neither boto3 nor the OpenAI client, which take half a second and 30 MB.
"""

import typer

from tuneloop.cli import convert, estimate, validate


def new_cli() -> typer.Typer:
    """The `tuneloop` command without any subcommand."""
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
