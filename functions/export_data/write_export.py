"""Writes the objects of an export: its files, members, fingerprints, manifest and the list of held-out prompts.

There are two passes over the contents, which come sorted by id: the first loads what the selection needs of each
example into columns, the second writes each selected example into the file of its split. Columns are filled a block at
a time, hashes directly from their hex digits: making Python integers one by one would cost more than all the rest.
"""

import hashlib
import sys
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from io import BytesIO
from itertools import compress
from typing import Any, NamedTuple

import orjson

from tuneloop.domain.chat.examples import Split
from tuneloop.domain.chat.images import NO_IMAGES
from tuneloop.domain.chat.messages import JsonObject
from tuneloop.domain.chat.templates import Template
from tuneloop.domain.datasets.datasets import Dataset
from tuneloop.domain.datasets.erasures import ErasureMarks
from tuneloop.domain.datasets.origins import FEEDBACK
from tuneloop.domain.datasets.policy import ExampleKind, Policy
from tuneloop.domain.datasets.reviews import UNDECIDED, Decision, Status
from tuneloop.domain.exports.columns import OUTCOME_OF, Columns, Outcome, name_number
from tuneloop.domain.exports.exports import Export, ExportFile, TrainAnswers, export_id, export_prefix, freeze_digest
from tuneloop.domain.exports.policy_filter import example_filter
from tuneloop.domain.exports.selection import SelectionResult, select
from tuneloop.domain.exports.splits import STRICTNESS
from tuneloop.domain.training.trained_exports import UNSEEN, SeenRows
from tuneloop.store.objects.bucket import Objects
from tuneloop.store.objects.export_columns import HASH_BYTES, ID_BYTES, members_key, pack_members, write_fingerprints
from tuneloop.store.objects.segments import Head, candidate_of, content_of, heads_of, images_in, pair_line
from tuneloop.store.repositories.contents import Block, Contents
from tuneloop.validation.minhash import BAND_BYTES, BANDS, LIKENESS_DIGITS, METHOD, SIGNATURE_DIGITS, THRESHOLD
from tuneloop.validation.tokens import PER_EXAMPLE, count_messages

# Bounds how many training examples are parsed for the average tokens of an answer and for the template; the others are
# copied as bytes. The first ones by id are as good a sample as any, as ids are hashes of the content.
SUMMARIZED_EXAMPLES = 1_000
# The number by which a column holds the split that an example was marked for, 0 where it was marked for none.
MARK_NUMBERS: dict[str | None, int] = {None: 0} | {split.value: STRICTNESS[split] for split in Split}
NO_BANDS = "0" * LIKENESS_DIGITS  # for a line without bands: 0 is no band's key, so that the line is near no other


class Snapshot(NamedTuple):
    """The contents of an export: a dataset at a revision, without the examples that were erased from it."""

    dataset: Dataset
    revision: int
    erased: ErasureMarks

    @property
    def place(self) -> tuple[str, str, int]:
        """Tenant, dataset and revision, which name the contents."""
        return self.dataset.tenant, self.dataset.id, self.revision


@dataclass(frozen=True)
class WriteExport:
    """Writes an export's objects; `FreezeDataset` adds its row."""

    contents: Contents
    objects: Objects

    def write(
        self, dataset: Dataset, revision: int, policy: Policy, seen: SeenRows = UNSEEN, *, now: datetime
    ) -> Export:
        """Write all objects of a revision's export; rows that versions have `seen` are never drawn for the test."""
        snapshot = Snapshot(dataset, revision, self.contents.open_erasures(dataset.tenant, dataset.id))
        held_before = self._read_held_out(dataset)
        selected = self._select(snapshot, policy, held_before, seen)
        overlaps, identity = _prove_disjoint(selected), export_id(*snapshot.place, policy)
        held_out_key = dataset.held_out.key if dataset.held_out else None
        content_digest = freeze_digest(snapshot.erased.latest, held_out_key, [export.name for export in seen.exports])
        prefix = export_prefix(dataset.tenant, dataset.id, identity, content_digest)
        summary = TrainSplitSummary(dataset.templates_at(revision))
        files = self._write_files(prefix, selected, snapshot, summary)
        self.objects.put(members_key(prefix), pack_members(selected.columns))
        write_fingerprints(prefix, selected.columns, self.objects)
        export = Export(
            tenant=dataset.tenant,
            id=identity,
            dataset=dataset.id,
            revision=revision,
            policy=policy,
            files=files,
            rules=dataset.rules_at(revision),
            **_selection_figures(selected),
            overlaps=overlaps,
            overlap_method=METHOD,
            near_threshold=THRESHOLD,
            without=snapshot.erased.latest,
            made_of=content_digest,
            held_out=self._write_held_out(f"{prefix}/held_out.bin", selected.test_prompts() | held_before),
            **summary.figures,
            created_at=now,
        )
        self.objects.put(f"{prefix}/manifest.json", export.model_dump_json().encode())
        return export

    def _select(self, snapshot: Snapshot, policy: Policy, held_out: set[int], seen: SeenRows) -> SelectionResult:
        """The first pass: select the split of each example, or the reason why it is left out."""
        dataset = snapshot.dataset
        with self.contents.blocks(*snapshot.place, snapshot.erased) as blocks:
            columns = load_columns(blocks, policy)
        rules = dataset.rules_at(snapshot.revision)
        return select(columns, policy, dataset.salt, held_out, seen=seen.rows, rules=rules)

    def _write_files(
        self, prefix: str, selected: SelectionResult, snapshot: Snapshot, summary: "TrainSplitSummary"
    ) -> dict[Split, ExportFile]:
        """The second pass: write each example to the file of its split, and add training examples to the summary."""
        written = 0
        files = SplitFiles(prefix, self.objects)
        with self.contents.blocks(*snapshot.place, snapshot.erased, already_verified=True) as blocks:
            for block in blocks:
                rows = slice(written, written + len(block.lines))
                _write_block(block, rows, selected, files, summary)
                written = rows.stop
        if written != len(selected.columns):
            raise AssertionError(f"the second pass found {written} examples, the first {len(selected.columns)}")
        return files.end()

    def _read_held_out(self, dataset: Dataset) -> set[int]:
        """The hashes of prompts that earlier exports of the dataset took for their tests."""
        if dataset.held_out is None:
            return set()
        prompts = array("Q")
        with self.objects.download(dataset.held_out.key) as content:
            prompts.frombytes(content.read())
        return set(prompts)

    def _write_held_out(self, key: str, prompts: set[int]) -> str | None:
        """Store the hashes of prompts that are held out from now on; returns the key, None if there are none."""
        if not prompts:
            return None
        self.objects.put(key, BytesIO(array("Q", sorted(prompts)).tobytes()))
        return key


def _selection_figures(selected: SelectionResult) -> dict[str, Any]:
    """The fields of an export that its selection gives."""
    return {
        "kind": selected.kind,
        "examples": len(selected.columns),
        "left_out": selected.exclusion_counts(),
        "marked": selected.marked_counts(),
        "min_user_characters": selected.length.characters,
        "length_basis": selected.length.basis,
        "groups": selected.groups,
        "in_forms": selected.boilerplate,
        "conflicting_prompts": selected.conflicting_prompts,
    }


def _prove_disjoint(selected: SelectionResult) -> dict[str, int]:
    """Count by kind what the splits share, 0 of each; AssertionError otherwise, before anything is written."""
    overlaps = selected.overlaps()
    if any(overlaps.values()):
        raise AssertionError(f"splits share {overlaps}: the selection is wrong")
    return overlaps


def _write_block(
    block: Block, rows: slice, selected: SelectionResult, files: "SplitFiles", summary: "TrainSplitSummary"
) -> None:
    """Write the examples of one block, which are the selection's `rows`."""
    columns, is_pairs = selected.columns, selected.kind == ExampleKind.PREFERENCE
    for split in Split:
        chosen = columns.flags(OUTCOME_OF[split], rows)
        contents = [content_of(line) for line in compress(block.lines, chosen)]
        lines = [pair_line(content) for content in contents] if is_pairs else contents
        files.write(split, lines, sum(compress(columns.tokens[rows], chosen)))
        if OUTCOME_OF[split] == Outcome.TRAIN:
            summary.add(compress(columns.answer[rows], chosen), contents)


class TrainSplitSummary:
    """A summary of an export's training examples: answers, shared prompt, tokens of an answer, and template.

    The template is the newest of the dataset's that each of the examples looked at could have come from. A version is
    asked for answers in the form that it was trained on, whatever the dataset's template is by now.
    """

    def __init__(self, templates: Iterable[Template] = ()) -> None:
        self._answers = TrainAnswers()
        self._templates = list(templates)
        self._counted = self._tokens = 0

    def add(self, answers: Iterable[int], contents: list[bytes]) -> None:
        """Take in training examples, each by the hash of its answer and its content."""
        for answer, content in zip(answers, contents, strict=True):
            self._answers.add(answer, content, partial(_messages_of, content))
        for content in contents[: SUMMARIZED_EXAMPLES - self._counted]:
            messages = _messages_of(content)
            self._tokens += count_messages(messages[-1:]) - PER_EXAMPLE
            self._templates = [template for template in self._templates if template.could_have_made(messages)]
            self._counted += 1

    @property
    def figures(self) -> dict[str, Any]:
        """The fields of an export that its training examples give."""
        return {
            "distinct_answers": self._answers.different,
            "most_frequent_answer": self._answers.most_frequent,
            "prompt": self._answers.prompt,
            "base_prompt": self._answers.base_prompt,
            "template": self._templates[0] if self._templates and self._counted else None,
            "answer_tokens": round(self._tokens / self._counted, 1) if self._counted else 0.0,
        }


def _messages_of(content: bytes) -> list[JsonObject]:
    messages: list[JsonObject] = orjson.loads(content)["messages"]
    return messages


class SplitFiles:
    """One JSONL file per split in the provider's format, with no field of ours, uploaded while it is written."""

    def __init__(self, prefix: str, objects: Objects) -> None:
        self._files = {split: SplitFile(f"{prefix}/{split}.jsonl", objects) for split in Split}

    def write(self, split: Split, contents: list[bytes], tokens: int) -> None:
        """Add examples to the file of their split; `tokens` is what they count together."""
        if contents:
            self._files[split].write(contents, tokens)

    def end(self) -> dict[Split, ExportFile]:
        """Store the files; return what each holds."""
        return {split: file.end() for split, file in self._files.items()}


class SplitFile:
    """One JSONL file, hashed and counted while it is uploaded."""

    def __init__(self, key: str, objects: Objects) -> None:
        self._key = key
        self._upload = objects.upload(key)
        self._hash = hashlib.sha256()
        self._examples = self._tokens = self._bytes = 0
        self._images = NO_IMAGES

    def write(self, contents: list[bytes], tokens: int) -> None:
        """Add a line for each content."""
        lines = b"\n".join([*contents, b""])
        self._upload.write(lines)
        self._hash.update(lines)
        self._examples += len(contents)
        self._bytes += len(lines)
        self._tokens += tokens
        self._images += images_in(contents)

    def end(self) -> ExportFile:
        """Store the file; return what it holds."""
        self._upload.end()
        return ExportFile(
            key=self._key,
            examples=self._examples,
            tokens=self._tokens,
            bytes=self._bytes,
            sha256=self._hash.hexdigest(),
            images=self._images,
        )


def load_columns(blocks: Iterable[Block], policy: Policy) -> Columns:
    """A row for every example of the blocks, with the verdict of the policy's filters as its outcome."""
    columns = Columns(bands=[array("Q") for _ in range(BANDS)])
    for block in blocks:
        heads = heads_of(block.lines)
        decisions = [block.decisions.get(place, UNDECIDED) for place in range(len(heads))]
        for place, line in zip(block.unedited, heads_of(block.unedited.values()), strict=True):
            columns.origin[len(columns) + place] = int(line.unit, 16)
        _add(columns, heads, decisions, policy)
    return columns


def _add(columns: Columns, heads: list[Head], decisions: list[Decision], policy: Policy) -> None:
    rows = list(zip(heads, decisions, strict=True))
    columns.marks.extend([MARK_NUMBERS[head.split] for head in heads])
    columns.preference.extend([head.preference for head in heads])
    columns.approved.extend([decision.status == Status.APPROVED for decision in decisions])
    columns.feedback.extend([head.source in FEEDBACK for head in heads])
    columns.characters.extend([head.characters for head in heads])
    columns.tokens.extend([head.tokens for head in heads])
    columns.ids.extend(_words([head.id[: 2 * ID_BYTES] for head in heads]))
    columns.unit.extend(_words([head.unit for head in heads]))
    columns.frame.extend(_words([head.frame for head in heads]))
    columns.answer.extend(_words([head.answer for head in heads]))
    columns.normal.extend(_words([head.normal for head in heads]))
    columns.subject.extend([name_number(head.subject) for head in heads])
    columns.group.extend([name_number(head.group) for head in heads])
    columns.category.extend([name_number(decision.category_or(head.category)) for head, decision in rows])
    near = [head.near or NO_BANDS for head in heads]
    for column, bands in zip(columns.bands, _bands(near), strict=True):
        column.extend(bands)
    columns.signatures.extend(bytes.fromhex("".join([digits[-SIGNATURE_DIGITS:] for digits in near])))
    outcome_of = example_filter(policy)
    columns.outcomes.extend([outcome_of(candidate_of(head, decision)) for head, decision in rows])


def _words(digits: Sequence[str]) -> "array[int]":
    """Texts of sixteen hex digits as 64-bit numbers."""
    words = array("Q", bytes.fromhex("".join(digits)))
    if sys.byteorder == "little":
        words.byteswap()
    return words


def _bands(digits: Sequence[str]) -> "list[array[int]]":
    """The MinHash bands of texts as numbers, one array per band."""
    packed, width = bytes.fromhex("".join(digits)), LIKENESS_DIGITS // 2
    columns = []
    for first in range(0, BANDS * BAND_BYTES, BAND_BYTES):
        words = bytearray(HASH_BYTES * len(digits))
        for place in range(BAND_BYTES):  # the last byte of a band is the lowest one of its number
            words[BAND_BYTES - 1 - place :: HASH_BYTES] = packed[first + place :: width]
        columns.append(array("Q", words))
        if sys.byteorder == "big":
            columns[-1].byteswap()
    return columns
