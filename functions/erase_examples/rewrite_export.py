"""Rewriting an export without erased examples: new files, members, fingerprints and manifest beside the old ones.

The other examples stay, since the export proves what versions were trained and tested on. One write of the export's row
switches to the new files, after which no row names the old ones. The statistics of its answers are computed again too,
since the prompt may name the answer of an erased example.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile

import orjson

from tuneloop.domain.chat.examples import Example, Split
from tuneloop.domain.chat.images import NO_IMAGES
from tuneloop.domain.chat.messages import JsonObject, canonical
from tuneloop.domain.exports.columns import OUTCOME_OF, SPLIT_OF, Outcome
from tuneloop.domain.exports.conversions import stored_form
from tuneloop.domain.exports.example_hashes import example_hashes
from tuneloop.domain.exports.exports import Export, ExportFile, TrainAnswers
from tuneloop.store.objects.bucket import IN_MEMORY_BYTES, Objects
from tuneloop.store.objects.export_columns import ID_BYTES, Fingerprints, Member, Membership, members_key
from tuneloop.store.objects.segments import images_in
from tuneloop.validation.tokens import count_content


@dataclass(frozen=True)
class RewriteExport:
    """Writes the files of an export without its erased members."""

    membership: Membership
    objects: Objects

    def find_members(self, export: Export, examples: Mapping[str, set[int]]) -> dict[bytes, set[int]]:
        """The given examples that an export has, by their member ids (truncated hashes), with their values."""
        numbers_by_member = {bytes.fromhex(example[: 2 * ID_BYTES]): numbers for example, numbers in examples.items()}
        return {
            member.id: numbers_by_member[member.id]
            for member in self.membership.all(export)
            if member.id in numbers_by_member
        }

    def rewrite(self, export: Export, erased_ids: set[bytes], number: int) -> Export:
        """Write an export's files without the members in `erased_ids`; returns the new export, whose row isn't stored.

        `number` is that of the dataset's latest erasure, whose examples the new files no longer hold.
        """
        members = list(self.membership.all(export))
        remaining = [member for member in members if member.id not in erased_ids]
        left_out = Counter(Outcome(member.outcome).name.lower() for member in members if member.id in erased_ids)
        update = {
            "without": number,
            "erased": export.erased + len(members) - len(remaining),
            "examples": len(remaining),
        }
        changed = export.model_copy(update={**update, "erased_by_split": _erased_by_split(export, members, erased_ids)})
        files = {
            split: self._rewrite_file(
                file, f"{changed.folder}/{split}.jsonl", _rows_that_stay(members, erased_ids, split)
            )
            for split, file in export.files.items()
        }
        reasons = {
            reason: count_left for reason, count in export.left_out.items() if (count_left := count - left_out[reason])
        }
        if files[Split.TRAIN] != export.files[Split.TRAIN]:
            answers = self._train_answers(files[Split.TRAIN])
            changed = changed.model_copy(
                update={
                    "distinct_answers": answers.different,
                    "most_frequent_answer": answers.most_frequent,
                    "prompt": answers.prompt,
                    "base_prompt": answers.base_prompt,
                }
            )
        changed = changed.model_copy(update={"files": files, "left_out": reasons})
        self.objects.put(members_key(changed.folder), b"".join(member.packed for member in remaining))
        Fingerprints(self.objects).rewrite(export, changed.folder, members, erased_ids)
        self.objects.put(f"{changed.folder}/manifest.json", changed.model_dump_json().encode())
        return changed

    def _rewrite_file(self, file: ExportFile, key: str, stays: list[bool]) -> ExportFile:
        """Write a file's rows for which `stays` is true under a new key; a file that loses no row is kept as it is."""
        if all(stays):
            return file
        sha256, examples, tokens, size, images = hashlib.sha256(), 0, file.tokens, 0, NO_IMAGES
        with SpooledTemporaryFile(IN_MEMORY_BYTES) as spool:
            for line, stay in zip(self.objects.lines(file.key), stays, strict=True):
                if not stay:
                    tokens -= count_content(_content_of(line))
                    continue
                row = line + b"\n"
                spool.write(row)
                sha256.update(row)
                examples, size, images = examples + 1, size + len(row), images + images_in([line])
            spool.seek(0)
            self.objects.put(key, spool)
        digest = sha256.hexdigest()
        return ExportFile(key=key, examples=examples, tokens=tokens, bytes=size, sha256=digest, images=images)

    def _train_answers(self, file: ExportFile) -> TrainAnswers:
        answers = TrainAnswers()
        for line in self.objects.lines(file.key):
            example = Example(id="", content=_content_of(line))
            text = canonical(example.content).encode()
            # The default binds this example: the loop variable is another one by the time that the function is called.
            answers.add(example_hashes(example).answer_hash, text, lambda example=example: example.messages)  # type: ignore[misc]
        return answers


def _erased_by_split(export: Export, members: list[Member], erased_ids: set[bytes]) -> dict[Split, int] | None:
    """The number of erased rows in each file; None if an older release erased rows without counting them by file."""
    if export.erased and export.erased_by_split is None:
        return None
    splits = Counter(
        SPLIT_OF[member.outcome] for member in members if member.id in erased_ids and member.outcome in SPLIT_OF
    )
    return dict(splits + Counter(export.erased_by_split or {}))


def _rows_that_stay(members: list[Member], erased_ids: set[bytes], split: Split) -> list[bool]:
    """For each row of a split's file, whether it stays: the rows are in the order of the members."""
    return [member.id not in erased_ids for member in members if member.outcome == OUTCOME_OF[split]]


def _content_of(line: bytes) -> JsonObject:
    return stored_form(orjson.loads(line))
