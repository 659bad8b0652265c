"""What an evaluation keeps in S3: the versions as they were when it began, and its answers, in parts written once.

A part holds whatever rows were answered in its time, so parts differ in size; their number per arm stands in the row.
"""

from collections.abc import Container, Iterable, Iterator
from heapq import nsmallest
from operator import itemgetter
from typing import NamedTuple

import orjson

from tuneloop.domain.evaluation import Answered, ArmName, Evaluation
from tuneloop.domain.examples import Example, Split, canonical
from tuneloop.domain.exports import Export
from tuneloop.domain.ids import digest
from tuneloop.domain.registry import Version
from tuneloop.domain.splitting import unit_of
from tuneloop.store.objects import Objects


class Questions(NamedTuple):
    """The test rows to ask, by their place in the file, and how many rows it has."""

    rows: dict[int, Example]
    available: int


def questions(export: Export, most: int, objects: Objects) -> Questions:
    """All test rows, or `most` of them: those with the smallest ids.

    Ids are hashes of content, so which rows these are depends neither on an answer nor on who asks.
    """
    numbered = enumerate(rows_of(export, Split.TEST, objects))
    asked = nsmallest(most, numbered, key=lambda row: (row[1].id, row[0]))
    return Questions(dict(sorted(asked, key=itemgetter(0))), export.files[Split.TEST].examples)


def rows_of(export: Export, split: Split, objects: Objects) -> Iterator[Example]:
    """The examples of one file of an export, in its order."""
    for line in objects.lines(export.files[split].key):
        content = orjson.loads(line)
        yield Example(id=digest(canonical(content)), content=content)


def trained_units(exports: Iterable[Export], objects: Objects) -> set[str]:
    """The prompts that any of these exports trained or validated on."""
    return {
        unit_of(example)
        for export in exports
        for split in (Split.TRAIN, Split.VALIDATION)
        for example in rows_of(export, split, objects)
    }


def write_versions(evaluation: Evaluation, versions: Iterable[Version], objects: Objects) -> None:
    """Keep the versions with their prompts and parameters as they are now."""
    lines = (version.model_dump_json().encode() + b"\n" for version in versions)
    objects.put(f"{_folder(evaluation)}/versions.jsonl", b"".join(lines))


def read_versions(evaluation: Evaluation, objects: Objects) -> list[Version]:
    """The versions as they were when the evaluation began."""
    lines = objects.lines(f"{_folder(evaluation)}/versions.jsonl")
    return [Version.model_validate_json(line) for line in lines]


def write_part(evaluation: Evaluation, arm: ArmName, answered: list[Answered], objects: Objects) -> None:
    """Store the answers of one arm to some rows as its next part."""
    lines = (answer.model_dump_json(exclude_none=True).encode() + b"\n" for answer in answered)
    objects.put(_key(evaluation, arm, evaluation.parts.get(arm, 0)), b"".join(lines))


def read_parts(evaluation: Evaluation, arm: ArmName, rows: Container[int], objects: Objects) -> dict[int, Answered]:
    """All answers of one arm to these rows so far, by row."""
    lines = (
        line for part in range(evaluation.parts.get(arm, 0)) for line in objects.lines(_key(evaluation, arm, part))
    )
    return {answer.row: answer for answer in map(Answered.model_validate_json, lines) if answer.row in rows}


def _folder(evaluation: Evaluation) -> str:
    return f"evaluations/{evaluation.tenant}/{evaluation.id}"


def _key(evaluation: Evaluation, arm: ArmName, part: int) -> str:
    return f"{_folder(evaluation)}/{arm}-{part:07d}.jsonl"
