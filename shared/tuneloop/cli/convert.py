"""`tuneloop convert`: a file in another format, and what of it couldn't come along."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import orjson
import typer

from tuneloop.cli.reading import UNUSABLE, FileArgument, examples_of
from tuneloop.domain.conversions import Conversion, Format, pair_of
from tuneloop.domain.errors import TuneloopError
from tuneloop.domain.examples import OTHER_ANSWER, Example, JsonObject
from tuneloop.domain.tables import Unreadable

ToOption = Annotated[Format, typer.Option("--to", help="The format to write.")]
OutputOption = Annotated[Path | None, typer.Option(help="Where to write it; beside the file if left out.")]


def convert(file: FileArgument, to: ToOption, output: OutputOption = None) -> None:
    """Write a file's examples in another format, and say what couldn't come along."""
    conversion, invalid, written = Conversion(to), 0, 0
    target = output or file.with_name(f"{file.name.split('.')[0]}.{to}.jsonl")
    part = target.with_name(f"{target.name}.part")  # the target may be the file itself
    try:
        with part.open("wb") as out:
            for found in examples_of(file):
                if not isinstance(found, Example):
                    invalid += 1
                elif line := conversion.convert(_as_sent(found)):
                    out.write(orjson.dumps(line) + b"\n")
                    written += 1
        part.replace(target)
    except (TuneloopError, Unreadable) as error:
        message = error.message if isinstance(error, TuneloopError) else error.problem.message
        typer.echo(f"{file}: {message}", err=True)
        raise typer.Exit(UNUSABLE) from error
    finally:
        part.unlink(missing_ok=True)
    typer.echo(f"{target}: {written:,} examples")
    for what, counts in (("lost", conversion.lost), ("left out", conversion.left_out + Counter(invalid=invalid))):
        for name, count in sorted(counts.items()):
            typer.echo(f"  {what}: {name} {count:,}")


def _as_sent(example: Example) -> JsonObject:
    return pair_of(example.content) if OTHER_ANSWER in example.content else example.content
