"""`tuneloop convert`: a file in another format, and what of it couldn't come along."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import orjson
import typer

from tuneloop.cli.reading import FileArgument, SettingsOption, examples_of, offline, refuse, settings_in
from tuneloop.domain.chat.examples import OTHER_ANSWER, Example, JsonObject
from tuneloop.domain.datasets.csv_reader import BESIDE, Unreadable
from tuneloop.domain.exports.conversions import WHY, Conversion, Format, pair_of
from tuneloop.validation.decompress import PACKED
from tuneloop.validation.local_files import ReadSettings

ENDINGS = (*PACKED, ".jsonl", ".csv")  # from the last on
INVALID = "invalid"
REASONS = WHY | {INVALID: "`tuneloop validate` says what is wrong with each."}

ToOption = Annotated[Format, typer.Option("--to", help="The format to write.")]
OutputOption = Annotated[Path | None, typer.Option(help="Where to write it; beside the file if left out.")]


def convert(file: FileArgument, to: ToOption, output: OutputOption = None, settings: SettingsOption = None) -> None:
    """Write a file's examples in another format, and say what couldn't come along."""
    given = settings_in(settings)
    target = output or file.with_name(f"{_stem(file.name)}.{to}.jsonl")
    if not output and target.exists():
        refuse(f"{target} is there already. Name it by --output to write over it, or name another.")
    conversion = Conversion(to)
    try:
        written = _write(_converted(file, given, conversion), target)
    except Unreadable as error:
        refuse(f"{file}: {offline(error.problem).message}")
    except OSError as error:
        refuse(f"{target} can't be written: {error.strerror}.")
    if not written:
        refuse("\n".join([f"{file}: It has no example that can be converted to {to}.", *_left_out(conversion)]))
    lost = [f"  lost: {name} {count:,}" for name, count in sorted(conversion.lost.items())]
    typer.echo("\n".join([f"{target}: {written:,} examples", *lost, *_left_out(conversion)]))


def _stem(name: str) -> str:
    for ending in ENDINGS:
        if name.lower().endswith(ending):
            name = name[: -len(ending)]
    return name


def _converted(file: Path, settings: ReadSettings, conversion: Conversion) -> Iterator[JsonObject]:
    for found in examples_of(file, settings):
        if not isinstance(found, Example):
            conversion.left_out[INVALID] += 1
        elif line := conversion.convert(_as_sent(found)):
            conversion.lost.update(name for name in BESIDE if getattr(found, name) is not None)
            yield line


def _as_sent(example: Example) -> JsonObject:
    return pair_of(example.content) if OTHER_ANSWER in example.content else example.content


def _write(lines: Iterator[JsonObject], target: Path) -> int:
    """Write lines to a file, all of them or none; how many they are."""
    place = Path(os.path.realpath(target))
    if place.exists() and not place.is_file():  # a device or a folder would be replaced by a file
        raise FileExistsError(errno.EEXIST, "It is no file")
    part, written = place.with_name(f"{place.name}.part"), 0  # the target may be the file that is read
    out = part.open("xb")
    try:
        with out:
            for line in lines:
                out.write(orjson.dumps(line) + b"\n")
                written += 1
        if written:
            part.replace(place)
    finally:
        part.unlink(missing_ok=True)
    return written


def _left_out(conversion: Conversion) -> Iterator[str]:
    for name, count in sorted(conversion.left_out.items()):
        yield f"  left out: {name} {count:,}. {REASONS[name]}"
