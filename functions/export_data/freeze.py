"""Freezing: the examples of one revision become train, validation and test files that never change again.

Two passes over the segments: the first places every prompt, the second writes each example once into its split. Files
are named by the export's id and written whole, so a repetition writes the same bytes again and the row is added once.
"""

from collections.abc import Iterator
from datetime import datetime

from export_data.files import SplitFiles
from tuneloop.domain.datasets import Dataset
from tuneloop.domain.errors import Conflict, Stale
from tuneloop.domain.events import ExportCreated
from tuneloop.domain.examples import Example, Split
from tuneloop.domain.exports import Answers, Export, export_id
from tuneloop.domain.splitting import assign, stricter, unit_of
from tuneloop.store.datasets import Datasets
from tuneloop.store.exports import Exports
from tuneloop.store.objects import Objects

TRIES = 10


def freeze(
    tenant: str, name: str, revision: int, *, datasets: Datasets, exports: Exports, objects: Objects, now: datetime
) -> Export:
    """The export of a dataset's revision, made if it isn't there yet."""
    identity = export_id(tenant, name, revision)
    if found := exports.find(tenant, name, identity):
        return found
    dataset = datasets.get(tenant, name)
    if not 0 < revision <= dataset.revision:
        raise Conflict(f"Dataset {name} has no revision {revision}; its latest is {dataset.revision}.")
    keys = [segment.key for segment in datasets.segments(tenant, name, revision)]
    export = _written(dataset, revision, keys, objects, now)
    return _added(export, datasets=datasets, exports=exports, now=now)


def _written(dataset: Dataset, revision: int, keys: list[str], objects: Objects, now: datetime) -> Export:
    marks: dict[str, tuple[str, Split | None]] = {}
    read = 0
    for example in _examples(keys, objects):
        read += 1
        before = marks[example.id][1] if example.id in marks else None
        marks[example.id] = (unit_of(example), stricter(before, example.split))
    places = assign(marks.values(), dataset.salt)
    answers, prompts, kept_out = Answers(), ConflictingPrompts(), 0
    identity = export_id(dataset.tenant, dataset.id, revision)
    with SplitFiles(f"exports/{dataset.tenant}/{dataset.id}/{identity}") as files:
        for example in _examples(keys, objects):
            if example.id not in marks:
                continue  # written already
            unit, mark = marks.pop(example.id)
            if (split := places[unit].takes(mark)) is None:
                kept_out += 1
                continue
            files.write(split, example)
            prompts.add(unit, example.answer)
            if split == Split.TRAIN:
                answers.add(example)
        written = files.upload(objects)
    export = Export(
        tenant=dataset.tenant,
        id=identity,
        dataset=dataset.id,
        revision=revision,
        files=written,
        duplicates=read - kept_out - sum(file.examples for file in written.values()),
        kept_out=kept_out,
        conflicting_prompts=prompts.conflicts,
        distinct_answers=answers.different,
        most_frequent_answer=answers.most_frequent,
        prompt=answers.prompt,
        base_prompt=answers.base_prompt,
        created_at=now,
    )
    objects.put(f"exports/{dataset.tenant}/{dataset.id}/{identity}/manifest.json", export.model_dump_json().encode())
    return export


class ConflictingPrompts:
    """Counts the prompts that were answered in more than one way."""

    def __init__(self) -> None:
        self._answer: dict[str, int] = {}
        self._conflicting: set[str] = set()

    def add(self, unit: str, answer: str) -> None:
        """Note one example's prompt and answer."""
        said = hash(answer)
        if self._answer.setdefault(unit, said) != said:
            self._conflicting.add(unit)

    @property
    def conflicts(self) -> int:
        """Prompts with more than one answer."""
        return len(self._conflicting)


def _examples(keys: list[str], objects: Objects) -> Iterator[Example]:
    for key in keys:
        for line in objects.lines(key):
            yield Example.model_validate_json(line)


def _added(export: Export, *, datasets: Datasets, exports: Exports, now: datetime) -> Export:
    examples = sum(file.examples for file in export.files.values())
    event = ExportCreated(
        tenant=export.tenant, dataset=export.dataset, export=export.id, revision=export.revision, examples=examples
    )
    for _ in range(TRIES):
        dataset = datasets.get(export.tenant, export.dataset)
        frozen = max(dataset.exported_revision, export.revision)
        try:
            exports.add(export, dataset.model_copy(update={"exported_revision": frozen}), event, now)
        except Stale:  # the dataset grew meanwhile, or the same export was added by somebody else
            if found := exports.find(export.tenant, export.dataset, export.id):
                return found
        else:
            return export
    raise Stale(f"Dataset {export.dataset} is changing too fast to record its export; try again.")
