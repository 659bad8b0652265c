"""Reviewing what is being erased, and pages of examples that are too large for one answer."""

import pytest

from review_examples.list_examples import NewestExamples
from tests.functions.conftest import Later
from tests.functions.datasets import collect
from tests.functions.erasures import erase_example, erase_subject, stored_bytes, sweep_erasures
from tests.functions.review_steps import listing, on, page, parcels, reviewed, sent
from tests.functions.write_faults import ConcurrentWriter
from tests.world import World
from tuneloop.app import app
from tuneloop.domain.core.limits import PAGE_BYTES
from tuneloop.domain.datasets.reviews import UNDECIDED
from tuneloop.store.objects.search import Hit

SECRET = "the purple heron dances at noon"


def test_an_edit_of_what_is_erased_between_two_tries_is_refused(
    world: World, later: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    collect(world, parcels(2))
    first, second = page(world)

    def erase() -> None:
        erase_example(world, first["id"])
        sweep_erasures(world, later)

    ConcurrentWriter(monkeypatch, erase)
    edit = {"messages": [{"role": "user", "content": SECRET}, {"role": "assistant", "content": "no"}]}
    answer = reviewed(world, on(first, content=edit), on(second, status="approved"))

    assert [(refusal["example"], refusal["code"]) for refusal in answer["refused"]] == [(first["id"], "not_found")]
    assert answer["changed"] == 1
    assert SECRET.encode() not in stored_bytes(world)


@pytest.mark.parametrize("is_swept", [False, True])
def test_an_erased_example_that_was_decided_on_is_not_decided_on_again(
    world: World, later: Later, is_swept: bool
) -> None:
    collect(world, [*parcels(2, subject="alice"), *parcels(3)[2:]])
    reviewed(world, *(on(example, status="approved") for example in page(world)))
    newest, *hers = page(world)

    erase_subject(world, "alice")
    if is_swept:
        sweep_erasures(world, later)
    answer = reviewed(world, *(on(example, status="rejected", note=SECRET) for example in (newest, *hers)))

    assert [refusal["code"] for refusal in answer["refused"]] == ["not_found"] * 2
    assert [example["version"] for example in page(world)] == [2]


def test_what_matches_is_looked_up_again_where_it_is_erased_meanwhile(
    world: World, later: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    collect(world, parcels(2))
    gone, left = page(world)

    def erase() -> None:
        erase_example(world, gone["id"])
        sweep_erasures(world, later)

    ConcurrentWriter(monkeypatch, erase)
    answer = sent(world, matching={}, change={"status": "approved", "note": SECRET}, revision=1).body

    assert [(refusal["example"], refusal["code"]) for refusal in answer["refused"]] == [(gone["id"], "not_found")]
    reviews = list(app.reviews.in_order(world.tenant, "support", answer["revision"]))
    assert [review.example for review in reviews] == [left["id"]]


def a_hit(day: int, size: int) -> Hit:
    line = b'{"id":"%064d","created_at":"2026-11-%02d","content":"' % (day, day)
    return Hit(line + b"x" * size + b'"}', UNDECIDED)


def test_an_example_with_no_room_on_a_page_is_next_with_all_older_ones() -> None:
    large = PAGE_BYTES * 2 // 3
    hits = [a_hit(5, large), a_hit(9, large), a_hit(3, 100)]
    days: list[list[bytes]] = []

    last = None
    for _ in range(2):
        newest = NewestExamples(20, last)
        for hit in hits:
            newest.add(hit)
        days.append([hit.place[0] for hit in newest.hits])
        last = newest.hits[-1].place

    assert days == [[b"2026-11-09"], [b"2026-11-05", b"2026-11-03"]]


@pytest.mark.parametrize("order", [1, -1])
def test_an_example_sent_bare_and_categorised_is_found_alike_by_any_filter(world: World, order: int) -> None:
    lines = [*parcels(1), *parcels(1, category="late")][::order]
    for number, line in enumerate(lines):
        collect(world, [line], name=f"{number}.jsonl")

    found = [listing(world, **query).body for query in ({}, {"category": "late"}, {"text": "parcel"})]

    assert [[example["category"] for example in answer["data"]] for answer in found] == [["late"]] * 3
    assert listing(world, category="none").body["total"] == 0
