"""What review-examples tells of a dataset: figures that are exact, and whether they suffice to train."""

from datetime import datetime
from typing import Any

import pytest

from tests.examples import chat
from tests.functions import steps
from tests.functions.datasets import collect
from tests.functions.refusals import refused
from tests.functions.review_steps import PAIR, listing, on, one, page, parcels, reviewed, told
from tests.world import BUCKET, World
from tuneloop.app import app
from tuneloop.store.repositories.contents import Contents


def eligibility(world: World, **query: str) -> dict[str, Any]:
    return told(world, "eligibility", **query)


def change(world: World, **settings: Any) -> None:
    answer = world.call("PATCH /v1/datasets/{dataset}", "/v1/datasets/support", settings)
    assert answer.status == 200, answer.text
    assert {name: answer.body[name] for name in settings} == settings


def test_the_figures_are_those_of_the_examples_as_they_stand(world: World) -> None:
    collect(world, [*parcels(5, category="parcels", source="app", quality=0.9), *parcels(2), PAIR])
    collect(world, [chat("Refund?", "yes", category="refunds", source="mail", quality=0.5)], name="more.jsonl")
    seen = page(world, category="parcels")
    reviewed(world, on(seen[0], status="approved", category="refunds"), on(seen[1], status="rejected", quality=0.4))

    found = told(world, "statistics")

    assert found | {"tokens": {}, "updated_at": ""} == {
        "revision": 3,
        "examples": 7,
        "export": None,
        "rules": 2,
        "kind": "supervised",
        "usable": 4,
        "usable_tokens": found["usable_tokens"],
        "trainable": 4,
        "marked": {},
        "left_out": {"rejected": 1, "low_quality": 1, "other_kind": 1},
        "min_user_characters": 0,
        "notes": found["notes"],
        "average_quality": pytest.approx((4 * 0.9 + 0.4 + 0.5) / 6),
        "statuses": {"unreviewed": 5, "approved": 1, "rejected": 1},
        "categories": {
            "parcels": {"examples": 4, "usable": 3, "average_quality": pytest.approx((3 * 0.9 + 0.4) / 4)},
            "refunds": {"examples": 2, "usable": 1, "average_quality": pytest.approx(0.7)},
        },
        "uncategorised": 1,
        "other_categories": 0,
        "sources": {"app": 5, "mail": 1},
        "unsourced": 1,
        "other_sources": 0,
        "corrections": 0,
        "confirmations": 0,
        "preferences": 1,
        "tokens": {},
        "updated_at": "",
    }
    assert datetime.fromisoformat(found["updated_at"]) == app.datasets.get(world.tenant, "support").changed_at


def test_tokens_are_counted_and_put_into_buckets(world: World) -> None:
    collect(world, [*steps.questions(19), chat("word " * 1000, "yes")])

    tokens = told(world, "statistics")["tokens"]

    counts = sorted(example["tokens"] for example in page(world, limit="100"))
    assert tokens["total"] == sum(counts)
    assert (tokens["p50"], tokens["p95"], tokens["max"]) == (counts[9], counts[18], counts[19])
    assert {bucket["up_to"]: bucket["examples"] for bucket in tokens["buckets"] if bucket["examples"]} == {
        64: 19,
        1024: 1,
    }


def test_figures_are_counted_once_for_each_revision(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    collect(world, parcels(3))
    first = told(world, "statistics")
    read = []
    blocks = Contents.blocks
    monkeypatch.setattr(Contents, "blocks", lambda *given: read.append(1) or blocks(*given))  # type: ignore[func-returns-value]

    again = told(world, "statistics")
    eligibility(world)
    assert (again, read) == (first, [])

    reviewed(world, on(page(world)[0], status="rejected"))
    assert told(world, "statistics")["statuses"]["rejected"] == 1
    assert len(read) == 1


def test_a_dataset_without_examples_has_figures_too(world: World) -> None:
    world.call("POST /v1/datasets", "/v1/datasets", {"id": "support"})

    assert told(world, "statistics")["examples"] == 0
    assert eligibility(world) == {
        "eligible": False,
        "current_examples": 0,
        "required_examples": 10,
        "required_per_category": 0,
        "average_quality": None,
        "level": "too_few",
        "short": {},
        "basis": "filters",
        "recommendation": "Need at least 10 examples. Current: 0. Add 10 more.",
        "reasons": [],
        "notes": ["Usable examples are counted before duplicates and conflicts; an export says what it took of them."],
    }
    assert listing(world).body["data"] == []


def test_examples_that_no_export_would_take_don_t_count(world: World) -> None:
    collect(world, [*parcels(10, quality=0.9), chat("Where?", "there", quality=0.1)])
    reviewed(world, on(page(world, min_quality="0.9")[0], status="rejected"))

    found = eligibility(world)

    assert (found["eligible"], found["current_examples"]) == (False, 9)
    assert found["recommendation"] == (
        "Need at least 10 examples. Current: 9. 1 is below min_quality 0.8; lower it to use it. "
        "1 was rejected by a reviewer; approve it to use it. Add 1 more."
    )


def test_enough_examples_are_said_to_be_so_and_how_many_would_be_better(world: World) -> None:
    collect(world, steps.questions(60))

    found = eligibility(world)

    assert (found["eligible"], found["current_examples"], found["level"]) == (True, 60, "better")
    assert found["recommendation"] == (
        "Train now with 60 examples, counted before duplicates and conflicts, or add 40 more for the level good "
        "at 100. Freeze an export to know how many stay: what overlaps with held-out examples goes too."
    )


def test_a_dataset_may_require_more_and_so_may_each_of_its_categories(world: World) -> None:
    collect(world, [*parcels(12, category="parcels"), *steps.questions(3, category="orders")])
    assert eligibility(world)["eligible"]

    change(world, required_per_category=5)
    by_category = eligibility(world)
    change(world, required_examples=40)

    assert (by_category["eligible"], by_category["short"]) == (False, {"orders": 3})
    assert by_category["recommendation"] == "Add examples to the categories that have fewer than 5: orders (3)."
    assert eligibility(world)["required_examples"] == 40
    assert eligibility(world, category="parcels")["eligible"]
    orders = eligibility(world, category="orders")
    assert (orders["current_examples"], orders["required_examples"], orders["eligible"]) == (3, 5, False)
    assert eligibility(world, category="nothing")["current_examples"] == 0


def test_a_damaged_segment_stops_the_count_instead_of_shrinking_it(world: World) -> None:
    collect(world, parcels(3))
    [segment] = app.datasets.segments(world.tenant, "support", 1)
    world.s3.put_object(Bucket=BUCKET, Key=segment.key, Body=b"")

    answer = world.call("GET /v1/datasets/{dataset}/statistics", "/v1/datasets/support/statistics")

    refused(answer, 500, "corrupt_segment")


def test_an_example_tells_what_it_was_used_for(world: World) -> None:
    collect(world, steps.questions(60))
    world.call("POST /v1/datasets/{dataset}/exports", "/v1/datasets/support/exports")
    world.settle()
    run = world.call("POST /v1/training-runs", "/v1/training-runs", {"dataset": "support"}).body
    collect(world, [chat("Where is order nobody?", "nowhere")], name="later.jsonl")
    [export] = app.exports.page(world.tenant, "support", 10, None).data
    app.runs.save(app.runs.get(world.tenant, run["id"]).model_copy(update={"version": 3}))

    found = [one(world, example["id"]) for example in page(world, limit="100")]

    used = [use for example in found for use in example["uses"]]
    outcomes = [use["outcome"] for use in used]
    assert {outcome: outcomes.count(outcome) for outcome in set(outcomes)} == {
        split: file.examples for split, file in export.files.items() if file.examples
    } | {why: count for why, count in export.left_out.items() if count}
    assert {(use["export"], *use["runs"], *use["versions"]) for use in used} == {(export.id, run["id"], 3)}
    assert [len(example["uses"]) for example in found if "nobody" in str(example["content"])] == [0]
