"""What an evaluation keeps in S3: its versions as they were when it began, the rows it leaves out, and its answers.

Answers lie in parts that are written once. A part holds the rows that were answered in its time, so parts differ in
size; how many there are of each arm stands in the evaluation's row.
"""

from array import array
from collections.abc import Collection, Container, Iterable, Iterator
from dataclasses import dataclass
from heapq import nsmallest
from operator import itemgetter

import orjson

from tuneloop.domain.chat.examples import Example, Split, canonical
from tuneloop.domain.core.ids import digest
from tuneloop.domain.evaluation.evaluations import Answered, ArmName, Evaluation
from tuneloop.domain.exports.exports import Export
from tuneloop.domain.serving.models import Version
from tuneloop.store.objects.bucket import Objects


@dataclass(frozen=True)
class EvaluationObjects:
    """The objects that evaluations read and write; NotFound where one is gone."""

    objects: Objects

    def test_rows(self, export: Export, removed: Collection[int], most: int) -> dict[int, Example]:
        """The test rows to ask by their place in the file: all but the removed, or the `most` with the smallest ids.

        Ids are hashes of content, so that no answer has a say in which rows these are.
        """
        left_out = frozenset(removed)
        numbered = enumerate(self.rows_of(export, Split.TEST))
        asked = nsmallest(
            most, (row for row in numbered if row[0] not in left_out), key=lambda row: (row[1].id, row[0])
        )
        return dict(sorted(asked, key=itemgetter(0)))

    def rows_of(self, export: Export, split: Split) -> Iterator[Example]:
        """The examples of one file of an export, in the file's order."""
        for line in self.objects.lines(export.files[split].key):
            content = orjson.loads(line)
            yield Example(id=digest(canonical(content)), content=content)

    def write_versions(self, evaluation: Evaluation, versions: Iterable[Version]) -> None:
        """Keep the versions with their prompts and parameters as they are now."""
        lines = (version.model_dump_json().encode() + b"\n" for version in versions)
        self.objects.put(f"{_folder(evaluation)}/versions.jsonl", b"".join(lines))

    def read_versions(self, evaluation: Evaluation) -> list[Version]:
        """The versions as they were when the evaluation began."""
        lines = self.objects.lines(f"{_folder(evaluation)}/versions.jsonl")
        return [Version.model_validate_json(line) for line in lines]

    def write_removed(self, evaluation: Evaluation, rows: "array[int]") -> None:
        """Keep the places of the test rows that no version is asked, since one has seen them in training."""
        self.objects.put(f"{_folder(evaluation)}/removed.bin", rows.tobytes())

    def read_removed(self, evaluation: Evaluation) -> "array[int]":
        """The places of the test rows that no version is asked."""
        rows = array("Q")
        with self.objects.download(f"{_folder(evaluation)}/removed.bin") as content:
            rows.frombytes(content.read())
        return rows

    def write_part(self, evaluation: Evaluation, arm: ArmName, answered: list[Answered]) -> None:
        """Store the answers of one arm to some rows as the arm's next part."""
        lines = (answer.model_dump_json(exclude_none=True).encode() + b"\n" for answer in answered)
        self.objects.put(_part_key(evaluation, arm, evaluation.parts.get(arm, 0)), b"".join(lines))

    def read_parts(self, evaluation: Evaluation, arm: ArmName, rows: Container[int]) -> dict[int, Answered]:
        """The answers of one arm to these rows so far, by row."""
        keys = [_part_key(evaluation, arm, part) for part in range(evaluation.parts.get(arm, 0))]
        answers = (Answered.model_validate_json(line) for key in keys for line in self.objects.lines(key))
        return {answer.row: answer for answer in answers if answer.row in rows}


def _folder(evaluation: Evaluation) -> str:
    return f"evaluations/{evaluation.tenant}/{evaluation.id}"


def _part_key(evaluation: Evaluation, arm: ArmName, part: int) -> str:
    return f"{_folder(evaluation)}/{arm}-{part:07d}.jsonl"
