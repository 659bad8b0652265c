"""What an evaluation keeps in S3: the versions as they were when it began, the rows it leaves out, and its answers.

Answers lie in parts that are written once. A part holds whatever rows were answered in its time, so parts differ in
size; their number per arm stands in the row.
"""

from array import array
from collections.abc import Collection, Container, Iterable, Iterator
from heapq import nsmallest
from operator import itemgetter

import orjson

from tuneloop.domain.chat.examples import Example, Split, canonical
from tuneloop.domain.core.ids import digest
from tuneloop.domain.evaluation.evaluations import Answered, ArmName, Evaluation
from tuneloop.domain.exports.exports import Export
from tuneloop.domain.serving.models import Version
from tuneloop.store.objects.bucket import Objects


def questions(export: Export, removed: Collection[int], most: int, objects: Objects) -> dict[int, Example]:
    """The test rows to ask by their place in the file: all that aren't removed, or the `most` with the smallest ids.

    Ids are hashes of content, so which rows these are depends on no answer.
    """
    left_out = frozenset(removed)
    numbered = enumerate(rows_of(export, Split.TEST, objects))
    asked = nsmallest(most, (row for row in numbered if row[0] not in left_out), key=lambda row: (row[1].id, row[0]))
    return dict(sorted(asked, key=itemgetter(0)))


def rows_of(export: Export, split: Split, objects: Objects) -> Iterator[Example]:
    """The examples of one file of an export, in its order."""
    for line in objects.lines(export.files[split].key):
        content = orjson.loads(line)
        yield Example(id=digest(canonical(content)), content=content)


def write_versions(evaluation: Evaluation, versions: Iterable[Version], objects: Objects) -> None:
    """Keep the versions with their prompts and parameters as they are now."""
    lines = (version.model_dump_json().encode() + b"\n" for version in versions)
    objects.put(f"{_folder(evaluation)}/versions.jsonl", b"".join(lines))


def read_versions(evaluation: Evaluation, objects: Objects) -> list[Version]:
    """The versions as they were when the evaluation began."""
    lines = objects.lines(f"{_folder(evaluation)}/versions.jsonl")
    return [Version.model_validate_json(line) for line in lines]


def write_removed(evaluation: Evaluation, rows: "array[int]", objects: Objects) -> None:
    """Keep the places of the test rows that are asked of nobody, since a version has seen them."""
    objects.put(f"{_folder(evaluation)}/removed.bin", rows.tobytes())


def read_removed(evaluation: Evaluation, objects: Objects) -> "array[int]":
    """The places of the test rows that are asked of nobody."""
    rows = array("Q")
    with objects.download(f"{_folder(evaluation)}/removed.bin") as content:
        rows.frombytes(content.read())
    return rows


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
