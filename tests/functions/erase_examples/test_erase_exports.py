"""Erasing from exports of every kind, and while they are being frozen."""

import hashlib
from typing import Any

import pytest

from export_data.freeze import FreezeDataset
from tests.examples import chat
from tests.functions import steps
from tests.functions.conftest import Later
from tests.functions.datasets import collect, example_id
from tests.functions.erasures import CANARY, erase_example, erase_subject, erasure, stored_bytes, sweep_erasures
from tests.functions.exports import freeze_export, split_lines
from tests.world import BUCKET, World
from tuneloop.app import app, utc_now
from tuneloop.domain.exports.columns import name_number
from tuneloop.store.objects.export_columns import Fingerprints, fingerprints_key


def pair(number: int) -> dict[str, Any]:
    return {
        "input": {"messages": [{"role": "user", "content": f"Where is parcel {number} of {number * 7919}?"}]},
        "preferred_output": [{"role": "assistant", "content": f"On its way, {number}."}],
        "non_preferred_output": [{"role": "assistant", "content": "Who knows?"}],
        "split": "train",
    }


def test_a_pair_is_erased_from_the_export_that_it_trains(world: World, later: Later) -> None:
    pairs = [pair(number) for number in range(12)]
    collect(world, pairs)
    before = freeze_export(world)
    asked = erase_example(world, example_id(pairs[3])).body

    sweep_erasures(world, later)

    assert erasure(world, asked["id"])["status"] == "done"
    kept = app.exports.get(world.tenant, "support", before["id"])
    assert (before["kind"], kept.erased, kept.distinct_answers) == ("preference", 1, 11)
    said = [row["preferred_output"][0]["content"] for row in split_lines(world, before, "train")]
    assert sorted(said) == sorted(f"On its way, {number}." for number in range(12) if number != 3)


def test_a_freeze_overtaken_by_erasure_and_freeze_keeps_the_other_s_files(
    world: World, later: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [*steps.questions(60), chat(CANARY, CANARY, split="train")]
    collect(world, lines)
    stores = {name: getattr(app, name) for name in ("datasets", "contents", "exports", "objects", "trained")}
    known = app.contents.open_erasures

    def overtaken(*place: str) -> Any:
        before = known(*place)
        monkeypatch.setattr(app.contents, "open_erasures", known)
        erase_example(world, example_id(lines[-1]))
        FreezeDataset(**stores).freeze(world.tenant, "support", 1, utc_now())
        return before

    monkeypatch.setattr(app.contents, "open_erasures", overtaken)
    export = FreezeDataset(**stores).freeze(world.tenant, "support", 1, utc_now())

    stored = {
        split: world.s3.get_object(Bucket=BUCKET, Key=file.key)["Body"].read() for split, file in export.files.items()
    }
    assert {split: hashlib.sha256(content).hexdigest() for split, content in stored.items()} == {
        split: file.sha256 for split, file in export.files.items()
    }
    assert (export.examples, CANARY.encode() in b"".join(stored.values())) == (60, False)
    sweep_erasures(world, later)
    assert CANARY.encode() not in stored_bytes(world)


def test_the_hashes_of_an_erased_example_leave_its_exports_too(world: World, later: Later) -> None:
    lines = [chat(f"Where is the {n}th parcel of {n * 7919}?", "late", subject=f"s{n}") for n in range(60)]
    collect(world, lines)
    before = freeze_export(world)
    whole = app.exports.get(world.tenant, "support", before["id"])
    rows = list(Fingerprints(app.objects).rows(whole))
    erase_example(world, example_id(lines[7]))

    sweep_erasures(world, later)

    kept = app.exports.get(world.tenant, "support", before["id"])
    left = list(Fingerprints(app.objects).rows(kept))
    [gone] = set(rows) - set(left)
    assert (len(rows), len(left), gone.subject) == (60, 59, name_number("s7"))
    for number in (gone.prompt, gone.exact, gone.subject):
        assert number.to_bytes(8) not in stored_bytes(world)


def test_the_hash_of_an_erased_subject_goes_where_others_sent_the_same_too(world: World, later: Later) -> None:
    shared = chat("Who else has waited for the blue bicycle since the spring?", "late")
    hers = {**shared, "subject": "ann", "created_at": "2026-11-02T00:00:00Z"}
    collect(world, [*steps.questions(20), {**shared, "subject": "bob", "created_at": "2026-11-01T00:00:00Z"}, hers])
    export = app.exports.get(world.tenant, "support", freeze_export(world)["id"])
    before = list(Fingerprints(app.objects).rows(export))
    erase_subject(world, "ann")

    sweep_erasures(world, later)

    after = list(Fingerprints(app.objects).rows(export))
    assert name_number("ann") in {row.subject for row in before}
    assert after == [row._replace(subject=0) if row.subject == name_number("ann") else row for row in before]
    assert name_number("ann").to_bytes(8) not in stored_bytes(world)


def test_an_export_frozen_before_fingerprints_is_erased_from_as_well(world: World, later: Later) -> None:
    lines = steps.questions(60)
    collect(world, lines)
    before = freeze_export(world)
    key = fingerprints_key(app.exports.get(world.tenant, "support", before["id"]).folder)
    world.s3.delete_object(Bucket=BUCKET, Key=key)
    asked = erase_example(world, example_id(lines[7])).body

    sweep_erasures(world, later)

    assert erasure(world, asked["id"])["status"] == "done"
    assert app.exports.get(world.tenant, "support", before["id"]).erased == 1
