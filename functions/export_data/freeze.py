"""Freezing: the examples of one revision become train, validation and test files that never change again.

Two passes over the contents, which come sorted by id: the first gathers what the selection needs, the second writes
each example once into its split. Files are named by the export's id and written whole, so a repetition writes the same
bytes again and the row is added once.
"""

from array import array
from datetime import datetime
from functools import partial
from io import BytesIO
from typing import Any

import orjson

from export_data.files import SplitFiles
from export_data.gather import gather
from tuneloop.domain.datasets import Dataset, HeldOut
from tuneloop.domain.errors import Conflict, Stale
from tuneloop.domain.events import ExportCreated
from tuneloop.domain.examples import JsonObject, Split
from tuneloop.domain.exports import Answers, Export, ExportFile, export_id
from tuneloop.domain.policy import Policy
from tuneloop.domain.selection import SPLIT_OF, Columns, Outcome, Selected, select
from tuneloop.likeness import BANDS
from tuneloop.store.contents import Contents
from tuneloop.store.datasets import Datasets
from tuneloop.store.exports import Exports
from tuneloop.store.objects import Objects

TRIES = 10


def freeze(
    tenant: str,
    name: str,
    revision: int,
    *,
    datasets: Datasets,
    contents: Contents,
    exports: Exports,
    objects: Objects,
    now: datetime,
) -> Export:
    """The export of a dataset's revision, made if it isn't there yet."""
    dataset = datasets.get(tenant, name)
    policy = dataset.policy_at(revision)
    identity = export_id(tenant, name, revision, policy)
    if found := exports.find(tenant, name, identity):
        return found
    if not 0 < revision <= dataset.revision:
        raise Conflict(f"Dataset {name} has no revision {revision}; its latest is {dataset.revision}.")
    export = _written(dataset, revision, policy, contents, objects, now)
    return _added(export, datasets=datasets, exports=exports, now=now)


def _written(
    dataset: Dataset, revision: int, policy: Policy, contents: Contents, objects: Objects, now: datetime
) -> Export:
    place = dataset.tenant, dataset.id, revision
    columns = Columns(bands=[array("Q") for _ in range(BANDS)])
    with contents.examples(*place) as examples:
        gather(examples, policy, columns)
    selected = select(columns, policy, dataset.salt, _held_out(dataset, objects))
    if any(overlaps := selected.overlaps().values()):
        raise AssertionError(f"splits share {overlaps}: the selection is wrong")
    identity = export_id(*place, policy)
    prefix = f"exports/{dataset.tenant}/{dataset.id}/{identity}"
    files, answers = _files(prefix, selected, contents, place, objects)
    export = Export(
        tenant=dataset.tenant,
        id=identity,
        dataset=dataset.id,
        revision=revision,
        policy=policy,
        files=files,
        examples=len(columns),
        resent=contents.lines(*place) - len(columns),
        left_out=selected.left_out(),
        groups=selected.groups,
        in_forms=selected.in_forms,
        overlaps=selected.overlaps(),
        held_out=_write_held_out(f"{prefix}/held_out.bin", dataset, selected, objects),
        conflicting_prompts=selected.conflicting_prompts,
        distinct_answers=answers.different,
        most_frequent_answer=answers.most_frequent,
        prompt=answers.prompt,
        base_prompt=answers.base_prompt,
        created_at=now,
    )
    objects.put(f"{prefix}/manifest.json", export.model_dump_json().encode())
    return export


def _files(
    prefix: str, selected: Selected, contents: Contents, place: tuple[str, str, int], objects: Objects
) -> tuple[dict[Split, ExportFile], Answers]:
    answers = Answers()
    with SplitFiles(prefix) as files, contents.examples(*place) as examples:
        for (stored, _), outcome in zip(examples, selected.columns.outcomes, strict=True):
            if outcome > Outcome.TEST:
                continue
            content = bytes(stored.content)
            files.write(SPLIT_OF[outcome], content, stored.tokens)
            if outcome == Outcome.TRAIN:
                answers.add(stored.answer, content, partial(_messages, content))
        return files.upload(objects), answers


def _messages(content: bytes) -> list[JsonObject]:
    found: list[JsonObject] = orjson.loads(content)["messages"]
    return found


def _held_out(dataset: Dataset, objects: Objects) -> set[int]:
    """The prompts that earlier exports took for their test."""
    if dataset.held_out is None:
        return set()
    units = array("Q")
    with objects.download(dataset.held_out.key) as content:
        units.frombytes(content.read())
    return set(units)


def _write_held_out(key: str, dataset: Dataset, selected: Selected, objects: Objects) -> str | None:
    """List the prompts that are held out from now on, those of before among them; None where there are none."""
    units = selected.units(Outcome.TEST) | _held_out(dataset, objects)
    if not units:
        return None
    objects.put(key, BytesIO(array("Q", sorted(units)).tobytes()))
    return key


def _added(export: Export, *, datasets: Datasets, exports: Exports, now: datetime) -> Export:
    examples = sum(file.examples for file in export.files.values())
    held = HeldOut(revision=export.revision, key=export.held_out) if export.held_out else None
    event = ExportCreated(
        tenant=export.tenant, dataset=export.dataset, export=export.id, revision=export.revision, examples=examples
    )
    for _ in range(TRIES):
        dataset = datasets.get(export.tenant, export.dataset)
        progress: dict[str, Any] = {"exported_revision": max(dataset.exported_revision, export.revision)}
        if held and (dataset.held_out is None or dataset.held_out.revision <= held.revision):
            progress["held_out"] = held
        try:
            exports.add(export, dataset.model_copy(update=progress), event, now)
        except Stale:  # the dataset grew meanwhile, or the same export was added by somebody else
            if found := exports.find(export.tenant, export.dataset, export.id):
                return found
        else:
            return export
    raise Stale(f"Dataset {export.dataset} is changing too fast to record its export; try again.")
