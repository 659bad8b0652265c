"""An export without what was erased: files, members, fingerprints and manifest are written anew, beside the old ones.

The other examples stay: an export proves what versions were trained and tested on. It is one write of its row that
makes the new files its own; the old ones are then named by nobody. What its answers say is worked out anew too, since a
prompt may name the answer of the one that is gone.
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
    """Writes the files of an export without some of its members."""

    membership: Membership
    objects: Objects

    def find_members(self, export: Export, examples: Mapping[str, set[int]]) -> dict[bytes, set[int]]:
        """Those of some examples that an export has, as its members name them, each with its value in `examples`."""
        wanted = {bytes.fromhex(example[: 2 * ID_BYTES]): numbers for example, numbers in examples.items()}
        return {member.id: wanted[member.id] for member in self.membership.all(export) if member.id in wanted}

    def rewrite(self, export: Export, gone: set[bytes], number: int) -> Export:
        """Return the export without the members in `gone`, its new files written but not yet its own.

        `number` is that of the dataset's latest erasure, which the new files are without.
        """
        members = list(self.membership.all(export))
        kept = [member for member in members if member.id not in gone]
        left_out = Counter(Outcome(member.outcome).name.lower() for member in members if member.id in gone)
        update = {"without": number, "erased": export.erased + len(members) - len(kept), "examples": len(kept)}
        changed = export.model_copy(update={**update, "erased_by_split": _erased_by_split(export, members, gone)})
        files = {
            split: self._rewrite_file(file, f"{changed.folder}/{split}.jsonl", _stays(members, gone, split))
            for split, file in export.files.items()
        }
        reasons = {why: left for why, count in export.left_out.items() if (left := count - left_out[why])}
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
        self.objects.put(members_key(changed.folder), b"".join(member.packed for member in kept))
        Fingerprints(self.objects).rewrite(export, changed.folder, members, gone)
        self.objects.put(f"{changed.folder}/manifest.json", changed.model_dump_json().encode())
        return changed

    def _rewrite_file(self, file: ExportFile, key: str, stays: list[bool]) -> ExportFile:
        """Write a file without the rows that don't stay, under a new key; one of which all stay is kept as it is."""
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
            answers.add(example_hashes(example).answer_hash, text, lambda example=example: example.messages)  # type: ignore[misc]
        return answers


def _erased_by_split(export: Export, members: list[Member], gone: set[bytes]) -> dict[Split, int] | None:
    """How many rows of member file are erased by now; None where nobody counted those that an older release erased."""
    if export.erased and export.erased_by_split is None:
        return None
    splits = Counter(SPLIT_OF[member.outcome] for member in members if member.id in gone and member.outcome in SPLIT_OF)
    return dict(splits + Counter(export.erased_by_split or {}))


def _stays(members: list[Member], gone: set[bytes], split: Split) -> list[bool]:
    """For member row of a split's file, whether it stays: rows are in the order of the members."""
    return [member.id not in gone for member in members if member.outcome == OUTCOME_OF[split]]


def _content_of(line: bytes) -> JsonObject:
    return stored_form(orjson.loads(line))
