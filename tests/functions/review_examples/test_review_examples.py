"""review-examples through its real entry point: what is found, what is decided, and what that leads to."""

from typing import Any

import pytest

from review_examples import review
from tests.examples import chat
from tests.functions import steps
from tests.functions.datasets import collect
from tests.functions.refusals import refused
from tests.functions.review_steps import PAIR, listing, on, one, page, parcels, reviewed, said, sent
from tests.world import World
from tuneloop.domain.core.access import Scope

FRENCH = chat("Où est le colis d'Élodie ?", "perdu", category="fr", source="app", quality=0.5, split="train")
GERMAN = chat("Wo ist mein Paket?", "verspätet", category="de", source="mail", quality=0.9)


def test_examples_are_listed_newest_first_with_what_is_known_of_them(world: World) -> None:
    collect(world, [*parcels(3, category="parcels", subject="user-1", quality=0.9), chat("When?", "now")])

    found = page(world)

    assert [said(example) for example in found] == [*(f"Where is parcel {n}?" for n in (2, 1, 0)), "When?"]
    assert found[0] | {"id": "", "tokens": 0} == {
        "id": "",
        "content": {"messages": chat("Where is parcel 2?", "late 2")["messages"]},
        "preference": False,
        "tokens": 0,
        "split": None,
        "subject": "user-1",
        "group": None,
        "category": "parcels",
        "source": None,
        "quality": 0.9,
        "created_at": "2026-11-03T10:00:00Z",
        "status": "unreviewed",
        "edited": False,
        "reviewer": None,
        "reviewed_at": None,
        "version": 0,
    }
    assert found[0]["tokens"] > 0


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"category": "fr"}, {FRENCH["messages"][0]["content"]}),
        ({"source": "mail"}, {GERMAN["messages"][0]["content"]}),
        ({"split": "train"}, {FRENCH["messages"][0]["content"]}),
        ({"min_quality": "0.6"}, {GERMAN["messages"][0]["content"]}),
        ({"max_quality": "0.5"}, {FRENCH["messages"][0]["content"]}),
        ({"min_quality": "0.5", "max_quality": "0.9"}, {line["messages"][0]["content"] for line in (FRENCH, GERMAN)}),
        ({"text": "COLIS d'élodie"}, {FRENCH["messages"][0]["content"]}),
        ({"text": "VERSPÄTET"}, {GERMAN["messages"][0]["content"]}),
        ({"text": 'say "hi"\\'}, {'Please say "hi"\\ to him'}),
        ({"text": "ist", "category": "de"}, {GERMAN["messages"][0]["content"]}),
        ({"text": "ist", "category": "fr"}, set()),
        ({"text": "assistant"}, set()),
        ({"text": "content"}, set()),
        ({"status": "approved"}, set()),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else str(len(value)),
)
def test_a_filter_finds_what_it_says(query: dict[str, str], expected: set[str], world: World) -> None:
    collect(world, [FRENCH, GERMAN, chat('Please say "hi"\\ to him', "Hi."), *steps.questions(20, category="other")])

    assert {said(example) for example in page(world, **query)} == expected


def test_what_was_decided_is_what_is_filtered_by(world: World) -> None:
    collect(world, [FRENCH, GERMAN])
    french = next(example for example in page(world) if example["category"] == "fr")
    edit = {"messages": chat("Where is Elodie's parcel?", "lost")["messages"]}

    reviewed(world, on(french, status="approved", category="en", quality=1, content=edit))

    [found] = page(world, status="approved")
    assert (found["category"], found["quality"], found["content"]) == ("en", 1, edit)
    for query in ({"category": "en"}, {"min_quality": "0.95"}, {"text": "elodie's parcel"}):
        assert [example["id"] for example in page(world, **query)] == [found["id"]]
    for query in ({"category": "fr"}, {"max_quality": "0.5"}, {"text": "colis"}):
        assert page(world, **query) == []


def test_preference_pairs_are_told_apart_and_shown_as_they_are_sent(world: World) -> None:
    collect(world, [PAIR, FRENCH])

    assert [example["content"] for example in page(world, preference="true")] == [PAIR]
    assert [example["category"] for example in page(world, preference="false")] == ["fr"]
    assert len(page(world)) == 2


def test_pages_go_together_whatever_comes_in_between(world: World) -> None:
    collect(world, parcels(7))
    first = listing(world, limit="3").body
    collect(world, parcels(20)[10:], name="more.jsonl")
    reviewed(world, on(page(world, text="parcel 2?")[0], status="rejected"))

    second = listing(world, limit="3", cursor=first["next_cursor"]).body
    third = listing(world, limit="3", cursor=second["next_cursor"]).body

    shown = [said(example) for answer in (first, second, third) for example in answer["data"]]
    assert shown == [f"Where is parcel {n}?" for n in reversed(range(7))]
    assert [answer["total"] for answer in (first, second, third)] == [7, 7, 7]
    assert (third["next_cursor"], third["revision"]) == (None, first["revision"])
    assert second["data"][1]["status"] == "unreviewed"
    assert listing(world).body["total"] == 17


def test_a_cursor_is_good_for_its_own_filter_only(world: World) -> None:
    collect(world, parcels(5))
    cursor = listing(world, limit="2").body["next_cursor"]

    refused(listing(world, limit="2", cursor=cursor, category="x"), 422, param="cursor")
    refused(listing(world, min_quality="0.9", max_quality="0.1"), 422, param="min_quality")


def test_a_page_is_no_larger_than_an_answer_may_be(world: World) -> None:
    collect(world, [chat(f"{n} " + "x" * 1_200_000, "y", created_at=f"2026-11-0{n}T10:00:00Z") for n in range(1, 5)])

    first = listing(world).body
    second = listing(world, cursor=first["next_cursor"]).body

    assert [said(example)[0] for example in [*first["data"], *second["data"]]] == ["4", "3", "2", "1"]
    assert len(first["data"]) == 2


def test_an_example_beyond_any_answer_is_listed_without_its_content(world: World) -> None:
    collect(world, [chat("x" * 4_000_000, "y")])

    [found] = page(world)

    assert found["content"] is None
    assert found["tokens"] > 0


def test_an_example_that_came_twice_is_one_with_its_latest_fields(world: World) -> None:
    collect(world, [chat("Where?", "there", category="old", created_at="2026-11-01T10:00:00Z")])
    collect(world, [chat("Where?", "there", category="new", created_at="2026-11-02T10:00:00Z")], name="again.jsonl")

    assert [example["category"] for example in page(world)] == ["new"]
    assert page(world, category="old") == []


def test_a_decision_is_kept_with_who_took_it_and_when(world: World) -> None:
    collect(world, [FRENCH])
    [before] = page(world)

    answer = reviewed(world, on(before, status="approved", note="as the manual says"), reviewer="anna@example.com")
    [after] = page(world)
    found = one(world, before["id"])

    assert answer == {"revision": 2, "changed": 1, "refused": [], "next": None}
    assert (after["status"], after["reviewer"], after["version"]) == ("approved", "anna@example.com", 1)
    assert (after["content"], after["category"], after["quality"]) == (before["content"], "fr", 0.5)
    assert [review | {"created_at": ""} for review in found["reviews"]] == [
        {
            "version": 1,
            "status": "approved",
            "quality": None,
            "category": None,
            "content": None,
            "note": "as the manual says",
            "reviewer": "anna@example.com",
            "created_at": "",
        }
    ]
    assert found["reviews"][0]["created_at"] == after["reviewed_at"]


def test_who_doesn_t_say_who_he_is_is_his_key(world: World) -> None:
    collect(world, [FRENCH])

    reviewed(world, on(page(world)[0], status="rejected"))

    [found] = page(world)
    assert found["reviewer"].startswith("key-")


def test_an_edit_keeps_the_original_and_where_it_came_from(world: World) -> None:
    collect(world, [FRENCH | {"subject": "user-1"}])
    [before] = page(world)
    edit = {"messages": chat("Où est le colis ?", "en route")["messages"]}

    reviewed(world, on(before, content=edit))
    found = one(world, before["id"])

    kept = ("id", "category", "source", "quality", "split", "subject", "created_at", "status")
    assert {name: found[name] for name in kept} == {name: before[name] for name in kept}
    assert (found["content"], found["original"], found["edited"]) == (edit, before["content"], True)
    assert found["reviews"][0]["content"] == edit


@pytest.mark.parametrize(
    ("content", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": chat("a", "")["messages"]}, "messages[1].content"),
        ({**chat("a", "b"), "subject": "user-2"}, "subject"),
        ({**chat("a", "b"), "quality": 1}, "quality"),
        ({**chat("a", "b"), "colour": "blue"}, "colour"),
    ],
)
def test_an_edit_is_checked_like_a_line_and_a_wrong_one_changes_nothing(
    content: dict[str, Any], param: str, world: World
) -> None:
    collect(world, [FRENCH, GERMAN])
    first, second = page(world)

    answer = sent(world, reviews=[on(first, status="approved"), on(second, content=content)])

    refused(answer, 422, param=f"reviews[1].content.{param}")
    assert page(world, status="approved") == []


def test_an_edit_too_large_to_be_kept_is_refused(world: World) -> None:
    collect(world, [FRENCH])

    answer = sent(world, reviews=[on(page(world)[0], content={"messages": chat("x" * 300_000, "y")["messages"]})])

    refused(answer, 413, "too_large", "reviews[0].content")


def test_who_saw_an_older_version_is_refused(world: World) -> None:
    collect(world, [FRENCH])
    [seen] = page(world)
    reviewed(world, on(seen, status="approved"), reviewer="anna")

    refused(sent(world, reviews=[on(seen, status="rejected")], reviewer="ben"), 409, "stale", "reviews[0]")
    assert "Somebody decided" not in sent(world, reviews=[on(seen | {"version": 7}, status="rejected")]).text
    refused(sent(world, reviews=[on(seen | {"version": 7}, status="rejected")]), 409, "stale")
    refused(sent(world, reviews=[{"example": "0" * 64, "version": 0, "status": "approved"}]), 404, "not_found")

    [found] = page(world)
    assert (found["status"], found["reviewer"], found["version"]) == ("approved", "anna", 1)


def test_of_many_decisions_those_that_can_be_taken_are(world: World) -> None:
    collect(world, parcels(5))
    seen = page(world)
    reviewed(world, on(seen[1], quality=0.2), reviewer="anna")
    unknown = {"id": "f" * 64, "version": 0}

    answer = reviewed(world, *(on(example, status="approved") for example in [*seen, unknown]))

    assert answer["changed"] == 4
    assert [(refusal["example"], refusal["code"], refusal["version"]) for refusal in answer["refused"]] == [
        (seen[1]["id"], "stale", 1),
        ("f" * 64, "not_found", None),
    ]
    assert len(page(world, status="approved")) == 4


def test_what_is_sent_twice_is_done_once(world: World) -> None:
    collect(world, parcels(2))
    seen = page(world)
    decisions = [on(seen[0], status="approved"), on(seen[1], content={"messages": chat("Where?", "here")["messages"]})]
    first = reviewed(world, *decisions, reviewer="anna")
    reviewed(world, on(seen[0] | {"version": 1}, quality=0.9), reviewer="ben")

    again = reviewed(world, *decisions, reviewer="anna")

    assert (first["changed"], again["changed"], again["refused"]) == (2, 2, [])
    assert sorted(example["version"] for example in page(world)) == [1, 2]


def test_a_thousand_decisions_make_one_revision(world: World) -> None:
    collect(world, steps.questions(1000))
    pages = [listing(world, limit="100").body]
    while cursor := pages[-1]["next_cursor"]:
        pages.append(listing(world, limit="100", cursor=cursor).body)
    seen = [example for found in pages for example in found["data"]]

    answer = reviewed(world, *(on(example, status="approved", quality=0.9) for example in seen))

    assert (len(seen), answer["changed"], answer["revision"]) == (1000, 1000, 2)
    assert listing(world, status="approved", min_quality="0.9").body["total"] == 1000
    refused(sent(world, reviews=[on(seen[0])] * 1001), 422, param="reviews")


def test_all_that_match_are_decided_on_as_they_were_seen(world: World) -> None:
    collect(world, [*parcels(6, category="parcels"), *steps.questions(4, category="orders")])
    seen = listing(world, category="parcels").body
    reviewed(world, on(seen["data"][0], status="rejected"), reviewer="anna")
    collect(world, parcels(8, category="parcels")[6:], name="later.jsonl")

    asked = {"matching": {"category": "parcels"}, "change": {"status": "approved"}, "revision": seen["revision"]}
    answer = sent(world, **asked).body
    again = sent(world, **asked).body

    assert (answer["changed"], answer["next"]) == (5, None)
    assert [(refusal["example"], refusal["code"]) for refusal in answer["refused"]] == [
        (seen["data"][0]["id"], "stale")
    ]
    assert (again["changed"], again["revision"]) == (5, answer["revision"])
    assert {said(example) for example in page(world, status="approved")} == {f"Where is parcel {n}?" for n in range(5)}


def test_what_takes_too_long_says_where_to_go_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(review, "REVIEWS_AT_ONCE", 4)
    monkeypatch.setattr(review, "BATCH_NEEDS_S", 60.0)
    collect(world, steps.questions(10))
    asked = {"matching": {}, "change": {"status": "rejected"}, "revision": 1}
    answers = [sent(world, **asked).body]

    while after := answers[-1]["next"]:
        answers.append(sent(world, **asked, after=after).body)

    assert [answer["changed"] for answer in answers] == [4, 4, 2]
    assert listing(world, status="rejected").body["total"] == 10


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"matching": {}},
        {"matching": {}, "change": {"status": "approved"}},
        {"change": {"status": "approved"}, "revision": 1},
        {"reviews": [{"example": "0" * 64, "version": 0}], "matching": {}},
        {"reviews": [{"example": "0" * 64, "version": 0}], "after": "0" * 64},
    ],
    ids=str,
)
def test_a_call_names_examples_or_a_filter(body: dict[str, Any], world: World) -> None:
    collect(world, [FRENCH])

    refused(sent(world, **body), 422)


def test_a_revision_that_never_was_is_refused(world: World) -> None:
    collect(world, [FRENCH])

    answer = sent(world, matching={}, change={"status": "approved"}, revision=9)

    refused(answer, 422, param="revision")


def test_reviewing_takes_another_scope_than_reading(world: World) -> None:
    collect(world, [FRENCH])
    reader = world.new_key(Scope.READ)
    path = "/v1/datasets/support/reviews"

    answer = world.call("POST /v1/datasets/{dataset}/reviews", path, {"reviews": [on(page(world)[0])]}, key=reader)

    refused(answer, 403, "insufficient_scope")


def test_an_empty_decision_is_refused_and_a_repeat_tells_the_revision(world: World) -> None:
    collect(world, parcels(3))
    example = page(world)[0]
    revision = reviewed(world, on(example, status="approved"))["revision"]

    refused(sent(world, reviews=[{"example": example["id"], "version": 1}]), 422)
    refused(sent(world, reviews=[on(example, status=None)]), 422, param="reviews.0")
    refused(sent(world, matching={}, revision=revision, change={}), 422, param="change")
    refused(sent(world, matching={}, revision=revision, change={"note": "fine"}), 422, param="body")
    done = sent(world, matching={"status": "approved"}, revision=revision, change={"status": "approved"}).body

    assert (done["revision"], done["changed"]) == (revision, 0)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"reviews": [{"example": "0" * 64, "version": True, "status": "approved"}]}, "reviews.0.version"),
        ({"reviews": [{"example": "0" * 64, "version": "0", "status": "approved"}]}, "reviews.0.version"),
        ({"reviews": [{"example": "0" * 64, "version": 0, "quality": True}]}, "reviews.0.quality"),
        ({"reviews": [{"example": "0" * 64, "version": 0, "quality": "0.5"}]}, "reviews.0.quality"),
        ({"matching": {}, "change": {"quality": 1}, "revision": "1"}, "revision"),
        ({"matching": {"preference": 1}, "change": {"quality": 1}, "revision": 1}, "matching.preference"),
        ({"matching": {"min_quality": "0"}, "change": {"quality": 1}, "revision": 1}, "matching.min_quality"),
        ({"matching": {"max_quality": True}, "change": {"quality": 1}, "revision": 1}, "matching.max_quality"),
    ],
    ids=str,
)
def test_a_field_of_another_type_is_refused(body: dict[str, Any], param: str, world: World) -> None:
    collect(world, [FRENCH])

    refused(sent(world, **body), 422, param=param)
