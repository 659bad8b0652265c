"""Exports without what was erased: files, members, fingerprints and manifest are written anew, beside the old ones.

The other examples stay: an export proves what versions were trained and tested on. It is one write of its row that
makes the new files its own; the old ones are then named by nobody. What its answers say is worked out anew too, since a
prompt may name the answer of the one that is gone.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping
from tempfile import SpooledTemporaryFile

import orjson

from tuneloop.domain.chat.examples import Example, JsonObject, Split, canonical
from tuneloop.domain.chat.images import NO_IMAGES
from tuneloop.domain.exports.columns import OUTCOME_OF, SPLIT_OF, Outcome
from tuneloop.domain.exports.conversions import stored_form
from tuneloop.domain.exports.example_hashes import example_hashes
from tuneloop.domain.exports.exports import Export, ExportFile, TrainAnswers
from tuneloop.store.objects.bucket import IN_MEMORY_BYTES, Objects
from tuneloop.store.objects.export_members import ID_BYTES, Member, Membership, members_key
from tuneloop.store.objects.fingerprints import Fingerprints
from tuneloop.store.objects.image_lines import images_in
from tuneloop.validation.tokens import count_content


def holding(export: Export, examples: Mapping[str, set[int]], membership: Membership) -> dict[bytes, set[int]]:
    """Those of some examples that an export has, as its members name them, each with what it was given with."""
    wanted = {bytes.fromhex(example[: 2 * ID_BYTES]): numbers for example, numbers in examples.items()}
    return {member.id: wanted[member.id] for member in membership.all(export) if member.id in wanted}


def rewritten(export: Export, gone: set[bytes], number: int, *, membership: Membership, objects: Objects) -> Export:
    """The export without some of its members, its new files written but not yet its own."""
    members = list(membership.all(export))
    kept = [member for member in members if member.id not in gone]
    left_out = Counter(Outcome(member.outcome).name.lower() for member in members if member.id in gone)
    update = {"without": number, "erased": export.erased + len(members) - len(kept), "examples": len(kept)}
    changed = export.model_copy(update={**update, "erased_by_split": _erased_by_split(export, members, gone)})
    files = {
        split: _without_rows(file, f"{changed.folder}/{split}.jsonl", _rows(members, gone, split), objects)
        for split, file in export.files.items()
    }
    reasons = {why: left for why, count in export.left_out.items() if (left := count - left_out[why])}
    if files[Split.TRAIN] != export.files[Split.TRAIN]:
        answers = _answers(files[Split.TRAIN], objects)
        changed = changed.model_copy(
            update={
                "distinct_answers": answers.different,
                "most_frequent_answer": answers.most_frequent,
                "prompt": answers.prompt,
                "base_prompt": answers.base_prompt,
            }
        )
    changed = changed.model_copy(update={"files": files, "left_out": reasons})
    objects.put(members_key(changed.folder), b"".join(member.packed for member in kept))
    Fingerprints(objects).rewrite(export, changed.folder, members, gone)
    objects.put(f"{changed.folder}/manifest.json", changed.model_dump_json().encode())
    return changed


def _erased_by_split(export: Export, members: list[Member], gone: set[bytes]) -> dict[Split, int] | None:
    """How many rows of each file are erased by now; None where nobody counted those that an older release erased."""
    if export.erased and export.erased_by_split is None:
        return None
    splits = Counter(SPLIT_OF[each.outcome] for each in members if each.id in gone and each.outcome in SPLIT_OF)
    return dict(splits + Counter(export.erased_by_split or {}))


def _rows(members: list[Member], gone: set[bytes], split: Split) -> list[bool]:
    """For each row of a split's file, whether it stays: rows are in the order of the members."""
    return [member.id not in gone for member in members if member.outcome == OUTCOME_OF[split]]


def _without_rows(file: ExportFile, key: str, stays: list[bool], objects: Objects) -> ExportFile:
    if all(stays):
        return file
    whole, examples, tokens, size, images = hashlib.sha256(), 0, file.tokens, 0, NO_IMAGES
    with SpooledTemporaryFile(IN_MEMORY_BYTES) as spool:
        for line, stay in zip(objects.lines(file.key), stays, strict=True):
            if not stay:
                tokens -= _tokens(line)
                continue
            ended = line + b"\n"
            spool.write(ended)
            whole.update(ended)
            examples, size, images = examples + 1, size + len(ended), images + images_in([line])
        spool.seek(0)
        objects.put(key, spool)
    sha256 = whole.hexdigest()
    return ExportFile(key=key, examples=examples, tokens=tokens, bytes=size, sha256=sha256, images=images)


def _answers(file: ExportFile, objects: Objects) -> TrainAnswers:
    answers = TrainAnswers()
    for line in objects.lines(file.key):
        example = Example(id="", content=_stored(line))
        said = canonical(example.content).encode()
        answers.add(example_hashes(example).answer, said, lambda example=example: example.messages)  # type: ignore[misc]
    return answers


def _tokens(line: bytes) -> int:
    return count_content(_stored(line))


def _stored(line: bytes) -> JsonObject:
    return stored_form(orjson.loads(line))
