"""Writing: what was selected goes into its files, with members, fingerprints, manifest and what is held out."""

from array import array
from datetime import datetime
from io import BytesIO
from itertools import compress
from typing import Any

from export_data.files import SplitFiles
from export_data.load_columns import gather
from export_data.train_summary import TrainSplitSummary
from tuneloop.domain.chat.examples import Split
from tuneloop.domain.datasets.datasets import Dataset
from tuneloop.domain.datasets.erasures import Erased
from tuneloop.domain.datasets.policy import ExampleKind, Policy
from tuneloop.domain.exports.columns import OUTCOME_OF, Columns, Outcome
from tuneloop.domain.exports.exports import Export, ExportFile, export_id, made_of, prefix_of
from tuneloop.domain.exports.selection import Selected, select
from tuneloop.domain.training.trained_exports import UNSEEN, SeenRows
from tuneloop.store.objects.bucket import Objects
from tuneloop.store.objects.export_members import members_key, packed_members
from tuneloop.store.objects.fingerprints import write_fingerprints
from tuneloop.store.objects.stored_lines import content_of, pair_line
from tuneloop.store.repositories.contents import Block, Contents
from tuneloop.validation.minhash import BANDS, METHOD, THRESHOLD

Place = tuple[str, str, int]


def write_export(
    dataset: Dataset,
    revision: int,
    policy: Policy,
    seen: SeenRows = UNSEEN,
    *,
    contents: Contents,
    objects: Objects,
    now: datetime,
) -> Export:
    """The export of a revision, all its objects written; what versions have `seen` is drawn for no test."""
    place = dataset.tenant, dataset.id, revision
    held_before, erased = _held_out(dataset, objects), contents.erased(dataset.tenant, dataset.id)
    selected = _selected(dataset, policy, contents, place, held_before, seen, erased)
    overlaps, identity = _proved(selected), export_id(*place, policy)
    tested = dataset.held_out.key if dataset.held_out else None
    made = made_of(erased.latest, tested, [export.name for export in seen.exports])
    prefix = prefix_of(dataset.tenant, dataset.id, identity, made)
    learnt = TrainSplitSummary(dataset.templates_at(revision))
    files = _files(prefix, selected, contents, place, erased, objects, learnt)
    objects.put(members_key(prefix), packed_members(selected.columns))
    write_fingerprints(prefix, selected.columns, objects)
    export = Export(
        tenant=dataset.tenant,
        id=identity,
        dataset=dataset.id,
        revision=revision,
        policy=policy,
        files=files,
        rules=dataset.rules_at(revision),
        **_figures(selected),
        overlaps=overlaps,
        overlap_method=METHOD,
        near_threshold=THRESHOLD,
        without=erased.latest,
        made_of=made,
        held_out=_write_held_out(f"{prefix}/held_out.bin", selected.tested() | held_before, objects),
        distinct_answers=learnt.answers.different,
        most_frequent_answer=learnt.answers.most_frequent,
        prompt=learnt.answers.prompt,
        base_prompt=learnt.answers.base_prompt,
        template=learnt.template,
        answer_tokens=learnt.answer_tokens,
        created_at=now,
    )
    objects.put(f"{prefix}/manifest.json", export.model_dump_json().encode())
    return export


def _figures(selected: Selected) -> dict[str, Any]:
    """What an export tells of its selection."""
    return {
        "kind": selected.kind,
        "examples": len(selected.columns),
        "left_out": selected.left_out(),
        "marked": selected.marked(),
        "min_user_characters": selected.length.characters,
        "length_basis": selected.length.basis,
        "groups": selected.groups,
        "in_forms": selected.in_forms,
        "conflicting_prompts": selected.conflicting_prompts,
    }


def _selected(
    dataset: Dataset,
    policy: Policy,
    contents: Contents,
    place: Place,
    held_out: set[int],
    seen: SeenRows,
    erased: Erased,
) -> Selected:
    columns = Columns(bands=[array("Q") for _ in range(BANDS)])
    with contents.blocks(*place, erased) as blocks:
        gather(blocks, policy, columns)
    return select(columns, policy, dataset.salt, held_out, seen=seen.rows, rules=dataset.rules_at(place[2]))


def _proved(selected: Selected) -> dict[str, int]:
    """What splits share, by kind: nothing."""
    overlaps = selected.overlaps()
    if any(overlaps.values()):
        raise AssertionError(f"splits share {overlaps}: the selection is wrong")
    return overlaps


def _files(
    prefix: str,
    selected: Selected,
    contents: Contents,
    place: Place,
    erased: Erased,
    objects: Objects,
    learnt: TrainSplitSummary,
) -> dict[Split, ExportFile]:
    done = 0
    files = SplitFiles(prefix, objects)
    with contents.blocks(*place, erased, are_proved=True) as blocks:
        for block in blocks:
            rows = slice(done, done + len(block.lines))
            _write(block, rows, selected, files, learnt)
            done = rows.stop
    if done != len(selected.columns):
        raise AssertionError(f"the second pass found {done} examples, the first {len(selected.columns)}")
    return files.end()


def _write(block: Block, rows: slice, selected: Selected, files: SplitFiles, learnt: TrainSplitSummary) -> None:
    columns, is_pairs = selected.columns, selected.kind == ExampleKind.PREFERENCE
    for split in Split:
        chosen = columns.which(OUTCOME_OF[split], rows)
        contents = [content_of(line) for line in compress(block.lines, chosen)]
        lines = [pair_line(content) for content in contents] if is_pairs else contents
        files.write(split, lines, sum(compress(columns.tokens[rows], chosen)))
        if OUTCOME_OF[split] == Outcome.TRAIN:
            learnt.add(compress(columns.answer[rows], chosen), contents)


def _held_out(dataset: Dataset, objects: Objects) -> set[int]:
    """The prompts that earlier exports took for their test."""
    if dataset.held_out is None:
        return set()
    units = array("Q")
    with objects.download(dataset.held_out.key) as content:
        units.frombytes(content.read())
    return set(units)


def _write_held_out(key: str, units: set[int], objects: Objects) -> str | None:
    """List the prompts that are held out from now on; None where there are none."""
    if not units:
        return None
    objects.put(key, BytesIO(array("Q", sorted(units)).tobytes()))
    return key
