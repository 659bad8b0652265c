"""`tuneloop convert`: writes a file's examples in another format, and lists what that format can't hold."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import orjson
import typer

from tuneloop.cli.example_files import FileArgument, SettingsOption, offline, read_examples, read_settings, refuse
from tuneloop.domain.chat.examples import OTHER_ANSWER, Example
from tuneloop.domain.chat.messages import JsonObject
from tuneloop.domain.datasets.csv_reader import OPTIONAL_FIELDS, Unreadable
from tuneloop.domain.exports.conversions import LEFT_OUT_REASONS, Conversion, Format, openai_pair
from tuneloop.validation.decompress import COMPRESSED_ENDINGS
from tuneloop.validation.local_files import ReadSettings

ENDINGS = (*COMPRESSED_ENDINGS, ".jsonl", ".csv")  # removed from a file name in this order: `a.jsonl.gz` becomes `a`
INVALID = "invalid"
REASONS = LEFT_OUT_REASONS | {INVALID: "`tuneloop validate` says what is wrong with each."}

ToOption = Annotated[Format, typer.Option("--to", help="The format to write.")]
OutputOption = Annotated[Path | None, typer.Option(help="Where to write it; next to the file by default.")]


def convert(file: FileArgument, to: ToOption, output: OutputOption = None, settings: SettingsOption = None) -> None:
    """Write a file's examples in another format, and list what was lost or left out."""
    read_as = read_settings(settings)
    target = output or file.with_name(f"{_stem(file.name)}.{to}.jsonl")
    if not output and target.exists():
        refuse(f"{target} already exists. Name it with --output to overwrite it, or name another file.")
    conversion = Conversion(to)
    try:
        written = _write(_converted_lines(file, read_as, conversion), target)
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


def _converted_lines(file: Path, settings: ReadSettings, conversion: Conversion) -> Iterator[JsonObject]:
    for example in read_examples(file, settings):
        if not isinstance(example, Example):
            conversion.left_out[INVALID] += 1
        elif line := conversion.convert(_as_sent(example)):
            conversion.lost.update(name for name in OPTIONAL_FIELDS if getattr(example, name) is not None)
            yield line


def _as_sent(example: Example) -> JsonObject:
    """An example's content as a line has it; a preference pair, here one conversation, has two outputs there."""
    return openai_pair(example.content) if OTHER_ANSWER in example.content else example.content


def _write(lines: Iterator[JsonObject], target: Path) -> int:
    """Write lines to a file, all or none, and return their number; OSError if the file can't be written.

    They are written to `<name>.part`, which replaces the target at the end, as the target may be the file being read.
    """
    path = Path(os.path.realpath(target))
    if path.exists() and not path.is_file():  # a device or a folder must not be replaced by a file
        raise FileExistsError(errno.EEXIST, "It is no file")
    part, written = path.with_name(f"{path.name}.part"), 0
    out = part.open("xb")
    try:
        with out:
            for line in lines:
                out.write(orjson.dumps(line) + b"\n")
                written += 1
        if written:
            part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return written


def _left_out(conversion: Conversion) -> Iterator[str]:
    for name, count in sorted(conversion.left_out.items()):
        yield f"  left out: {name} {count:,}. {REASONS[name]}"
