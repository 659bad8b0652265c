"""The rows of an evaluation and its parts: what was answered lies in S3, each part written once."""

from collections.abc import Iterable

import orjson

from tuneloop.domain.evaluation import Answered, ArmName, Evaluation
from tuneloop.domain.examples import Example, Split, canonical
from tuneloop.domain.exports import Export
from tuneloop.domain.ids import digest
from tuneloop.domain.splitting import unit_of
from tuneloop.store.objects import Objects

ROWS_PER_PART = 250


def rows_of(export: Export, split: Split, objects: Objects) -> Iterable[Example]:
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


def write_part(evaluation: Evaluation, arm: ArmName, answered: list[Answered], objects: Objects) -> None:
    """Store the answers of one arm to some rows."""
    lines = (answer.model_dump_json(exclude_none=True).encode() + b"\n" for answer in answered)
    objects.put(_key(evaluation, arm, answered[0].row), b"".join(lines))


def read_parts(evaluation: Evaluation, arm: ArmName, objects: Objects) -> list[Answered]:
    """All answers of one arm, by row."""
    return [
        Answered.model_validate_json(line)
        for start in range(0, evaluation.rows, ROWS_PER_PART)
        for line in objects.lines(_key(evaluation, arm, start))
    ]


def _key(evaluation: Evaluation, arm: ArmName, start: int) -> str:
    return f"evaluations/{evaluation.tenant}/{evaluation.id}/{arm}-{start:07d}.jsonl"
