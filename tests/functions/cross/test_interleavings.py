"""Collecting, reviewing, erasing, merging and exporting in any order: nothing is lost, and nothing comes back.

What ought to be there is worked out by a model in plain Python that knows no segments, no generations and no marks:
lines are a set, what is erased leaves it for good. A dataset that is filled anew with what is left, in another order
and all at once, must freeze into the very same files.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from erase_examples.compact import CompactDataset, RetireGenerations
from erase_examples.erase import EraseExamples
from erase_examples.purge import PurgeExports, PurgeSegments
from erase_examples.rewrite import RewriteDataset
from export_data.freeze import FreezeDataset
from tests.examples import chat
from tests.functions.datasets import ingest_lines
from tests.functions.erasures import stored_bytes
from tests.unit.factories import a_dataset
from tests.world import World, staged
from tuneloop.app import app, utc_now
from tuneloop.domain.chat.examples import Example, read_example
from tuneloop.domain.core.limits import MERGED_KEPT
from tuneloop.domain.datasets.datasets import OnDrop
from tuneloop.domain.datasets.erasures import example_erasure, subject_erasure
from tuneloop.domain.datasets.reviews import Review, Status
from tuneloop.domain.exports.exports import Export
from tuneloop.domain.serving.models import new_model
from tuneloop.store.objects.segments import line_of

NAMES = 8
QUIET = timedelta(hours=1)
SUBJECTS = (None, "ann-of-the-canary", "bob-of-the-canary", "cy-of-the-canary")
DAYS = ("2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z", None)
PLACE = "acme", "support"


def text_of(name: int) -> str:
    return f"Where is the parcel number {name * 7919} of customer {name * 104729}?"


def row_of(name: int, subject: str | None, day: str | None, text: str | None = None) -> dict[str, Any]:
    ours = {key: value for key, value in (("subject", subject), ("created_at", day)) if value}
    return chat(text or text_of(name), f"answer {name}", **ours)


def read(row: dict[str, Any]) -> Example:
    found = read_example(row, 1)
    assert isinstance(found, Example)
    return found


IDS = {read(row_of(name, None, None)).id: name for name in range(NAMES)}
ID_OF = {name: example for example, name in IDS.items()}
Line = tuple[int, str | None, str | None]
LINES = st.tuples(st.integers(0, NAMES - 1), st.sampled_from(SUBJECTS), st.sampled_from(DAYS))


@dataclass(frozen=True)
class Said:
    """One review: of which example, what, and an edit's text with the subject that it came from."""

    name: int
    status: Status | None
    edit: tuple[str, str | None, str | None] | None

    def without(self, subjects: set[str]) -> "Said":
        """What was decided stays; an edit of what an erased subject sent does not."""
        return Said(self.name, self.status, None) if self.edit and self.edit[1] in subjects else self


@dataclass
class Model:
    """What a dataset ought to hold."""

    lines: set[Line] = field(default_factory=set)
    reviews: list[Said] = field(default_factory=list)

    def copy(self) -> "Model":
        return Model(set(self.lines), list(self.reviews))

    def without(self, names: set[int], subjects: set[str]) -> "Model":
        """What is left of it when these examples and subjects are erased."""
        lines = {line for line in self.lines if line[0] not in names and line[1] not in subjects}
        kept = [said for said in self.reviews if said.name not in names]
        return Model(lines, [said.without(subjects) for said in kept])

    def current(self) -> dict[int, tuple[str, str | None, Status]]:
        """By example: its text, the subject of its line, and what was decided."""
        found = {}
        for name in {line[0] for line in self.lines}:
            same = sorted(line_of(read(row_of(*line))).text for line in self.lines if line[0] == name)
            stored = [json.loads(line) for line in same]
            best = max(stored, key=lambda line: (line.get("created_at", ""), len(line)))
            said = [review for review in self.reviews if review.name == name]
            status = next((review.status for review in reversed(said) if review.status), Status.UNREVIEWED)
            edit = next((review.edit for review in reversed(said) if review.edit), None)
            found[name] = (edit[0] if edit else text_of(name), edit[1] if edit else best.get("subject"), status)
        return found


class Interleaving(RuleBasedStateMachine):
    """One dataset, and what ought to be in it."""

    def __init__(self) -> None:
        super().__init__()
        self.closing = ExitStack()
        patch = self.closing.enter_context(pytest.MonkeyPatch.context())
        self.world: World = self.closing.enter_context(staged(patch))
        self.model, self.names, self.subjects = Model(), set[int](), set[str]()
        self.history: dict[int, Model] = {}
        self.begun = self.now = utc_now()
        self.drops = self.twins = 0

    @initialize()
    def make(self) -> None:
        fill(PLACE, [])

    def teardown(self) -> None:
        try:
            self.clear()
            self.now = utc_now() + 3 * QUIET
            self.tidy()
            left = stored_bytes(self.world)
            assert not [subject for subject in self.subjects if subject.encode() in left]
            assert not [name for name in self.names if text_of(name).encode() in left]
        finally:
            self.closing.close()

    def left(self) -> Model:
        return self.model.without(self.names, self.subjects)

    @rule(lines=st.lists(LINES, min_size=1, max_size=5))
    def ingest_drop(self, lines: list[Line]) -> None:
        before = app.datasets.get(*PLACE).revision
        self.drops += 1
        ingest_lines(PLACE, [row_of(*line) for line in lines], f"drop-{self.drops}", self.now)
        self.model.lines |= set(lines)
        if app.datasets.get(*PLACE).revision > before:
            self.remember()

    @rule(name=st.integers(0, NAMES - 1), status=st.sampled_from([*Status][1:]), edits=st.booleans())
    def review(self, name: int, status: Status, edits: bool) -> None:
        revision = app.datasets.get(*PLACE).revision
        original = app.contents.originals(*PLACE, revision, [ID_OF[name]]).get(ID_OF[name])
        assert (original is not None) == (name in self.left().current())
        if original is None:
            return
        day = original.created_at
        text = f"edited {revision}: {text_of(name)}"
        said = Said(name, status, (text, original.subject, day) if edits else None)
        reviewed(PLACE, said, len(self.model.reviews) + 1, self.now)
        self.model.reviews.append(said)
        self.remember()

    @rule(name=st.integers(0, NAMES - 1))
    def erase_example(self, name: int) -> None:
        self.erased(example_erasure(*PLACE, ID_OF[name], self.now))
        self.names.add(name)

    @rule(subject=st.sampled_from(SUBJECTS[1:]))
    def erase_subject(self, subject: str) -> None:
        self.erased(subject_erasure(PLACE[0], subject, self.now))
        self.subjects.add(subject)

    def erased(self, wanted: Any) -> None:
        before, left = app.datasets.get(*PLACE).revision, self.left().current()
        erasing = EraseExamples(app.erasures, app.datasets, app.generations, app.objects)
        erasing.erase(app.erasures.add(wanted), self.now)
        names, subjects = {*self.names}, {*self.subjects}
        if wanted.example:
            names.add(IDS[wanted.example])
        else:
            subjects |= {
                subject for subject in SUBJECTS[1:] if subject_erasure(PLACE[0], subject, self.now).id == wanted.id
            }
        after = app.datasets.get(*PLACE).revision
        assert after > before or self.model.without(names, subjects).current() == left
        if after > before:
            self.history[after] = self.model.copy()

    @rule()
    def clear(self) -> None:
        stores = (
            "datasets",
            "generations",
            "reviews",
            "exports",
            "evaluations",
            "models",
            "runs",
            "erasures",
            "membership",
            "objects",
        )
        rewriting = RewriteDataset(**{name: getattr(app, name) for name in stores}, owner="me")
        rewriting.rewrite(app.datasets.get(*PLACE), self.now)
        dataset = app.datasets.get(*PLACE)
        assert dataset.cleared == dataset.erasures

    @rule()
    def merge(self) -> None:
        dataset = app.datasets.get(*PLACE)
        if dataset.revision:
            compaction = CompactDataset(app.datasets, app.generations, app.erasures, app.objects)
            assert compaction.compact(dataset, self.now)
            assert app.datasets.get(*PLACE).revision == dataset.revision

    @rule()
    def forget(self) -> None:
        """A week goes by."""
        self.now += MERGED_KEPT + timedelta(hours=1)
        if RetireGenerations(app.generations).retire(app.datasets.get(*PLACE), self.now):
            first = min(generation.revision for generation in app.generations.all(*PLACE))
            self.history = {revision: model for revision, model in self.history.items() if revision >= first}

    @rule()
    def tidy(self) -> None:
        later = max(self.now, utc_now() + 2 * QUIET)
        PurgeSegments(app.generations, app.objects, QUIET).purge(*PLACE, later)
        PurgeExports(app.datasets, app.exports, app.objects, QUIET).purge(*PLACE, later)

    @precondition(lambda self: self.left().lines)
    @rule(seed=st.randoms(use_true_random=False))
    def export(self, seed: Any) -> None:
        """Exported files equal to those of a dataset that got what is left in another order, at once."""
        mine = frozen(PLACE, self.now)
        left = self.left()
        self.twins += 1
        twin = f"twin-{self.twins}", PLACE[1]
        lines = sorted(left.lines, key=str)
        seed.shuffle(lines)
        fill(twin, [row_of(*line) for line in lines])
        for number, said in enumerate(left.reviews, start=1):
            reviewed(twin, said, number, self.now)
        theirs = frozen(twin, self.now)
        same = app.exports.get(*PLACE, mine.id)
        assert {split: file.sha256 for split, file in same.files.items()} == {
            split: file.sha256 for split, file in theirs.files.items()
        }
        assert same.left_out == theirs.left_out
        assert same.examples == len(left.current())

    def remember(self) -> None:
        self.history[app.datasets.get(*PLACE).revision] = self.model.copy()

    @invariant()
    def holds_what_it_ought_to(self) -> None:
        if self.history:
            revision = app.datasets.get(*PLACE).revision
            assert contents(revision) == self.left().current()

    @invariant()
    def holds_what_it_held(self) -> None:
        for revision in sorted(self.history)[:1]:
            model = self.history[revision].without(self.names, self.subjects)
            assert contents(revision) == model.current()


def fill(place: tuple[str, str], rows: list[dict[str, Any]]) -> None:
    made = a_dataset(tenant=place[0], id=place[1], model=place[1], on_drop=OnDrop.COLLECT)
    app.datasets.create(made, new_model(place[0], made.model, "trainer", "base-1", utc_now()))
    if rows:
        ingest_lines(place, rows, "drop-1", utc_now())


def reviewed(place: tuple[str, str], said: Said, number: int, now: datetime) -> None:
    dataset = app.datasets.get(*place).with_review(now)
    line = None
    if said.edit:
        text, subject, day = said.edit
        edited = read(row_of(said.name, subject, day, text)).model_copy(update={"id": ID_OF[said.name]})
        line = line_of(edited).text.decode()
    app.reviews.add([Review(ID_OF[said.name], number, dataset.revision, "ann", now, said.status, line=line)], dataset)


def frozen(place: tuple[str, str], now: datetime) -> Export:
    revision = app.datasets.get(*place).revision
    stores = {name: getattr(app, name) for name in ("datasets", "contents", "exports", "objects", "trained")}
    return FreezeDataset(**stores).freeze(*place, revision, now)


def contents(revision: int) -> dict[int, tuple[str, str | None, Status]]:
    return dict(_contents(revision))


def _contents(revision: int) -> Iterator[tuple[int, tuple[str, str | None, Status]]]:
    with app.contents.examples(*PLACE, revision) as examples:
        for stored, decision in examples:
            said = next(message["content"] for message in stored.example.messages if message["role"] == "user")
            yield IDS[stored.id], (said, stored.subject, decision.status)


def test_nothing_is_lost_and_nothing_comes_back() -> None:
    few = settings(max_examples=20, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(Interleaving, settings=few)
