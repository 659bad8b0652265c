"""The commands that work on files of this machine alone.

They are reached without what talks to AWS and to the API, which takes half a second and 30 MB to load.
"""

import typer

from tuneloop.cli import convert, estimate, validate


def new_cli() -> typer.Typer:
    """The command without any command of its own."""
    return typer.Typer(
        name="tuneloop",
        help="A fine-tuning loop in your own AWS account.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )


def add_to(group: typer.Typer) -> None:
    """Give a group the commands of this module."""
    group.command("validate")(validate.check_file)
    group.command("estimate")(estimate.estimate_cost)
    group.command("convert")(convert.convert)


cli = new_cli()
add_to(cli)
