"""What images cost, from the drop to the guard of a run's spending."""

from decimal import Decimal
from typing import Any

import pytest

from launch_finetune import launch
from tests.functions import steps
from tests.functions.conftest import Later
from tests.functions.datasets import collect
from tests.functions.erasures import SUBJECT, erase_subject, sweep_erasures
from tests.functions.export_data.estimates import read_estimate
from tests.functions.exports import freeze_export
from tests.functions.runs import only_run, request_run
from tests.images import REMOTE, png, shown, url
from tests.world import World
from tuneloop.app import app, utc_now
from tuneloop.domain.chat.examples import Split
from tuneloop.domain.chat.images import ImageUnits
from tuneloop.domain.training.estimates import LEFT_OUT_IMAGES
from tuneloop.domain.training.model_offers import Offer
from tuneloop.providers.catalog import price_of
from tuneloop.store import keys
from tuneloop.store.dynamodb import Put

LARGE = url(png(1024, 1024))


def pictures(number: int, **ours: Any) -> list[dict[str, Any]]:
    """Examples with an image of 765 tokens each, by OpenAI's rule for gpt-4o."""
    return [shown(LARGE, f"Which card is number {n}?", ("ace", "jack")[n % 2], "high", **ours) for n in range(number)]


def priced(monkeypatch: pytest.MonkeyPatch, offer: Offer | None) -> None:
    """What the provider of runs asks for."""
    monkeypatch.setattr(launch, "price_of", lambda *_: offer)


def an_offer(**changes: Any) -> Offer:
    plain = {"training_per_1m": Decimal(100), "price_date": utc_now().date(), "price_source": "this test"}
    return Offer.model_validate(plain | changes)


def run_of(world: World, lines: list[dict[str, Any]], **wanted: Any) -> dict[str, Any]:
    """The run of a dataset that may spend two dollars."""
    world.call("POST /v1/datasets", "/v1/datasets", {"id": "support", "on_drop": "collect", "max_run_usd": "2"})
    steps.settled(world, lines)
    assert request_run(world, **wanted).status == 202
    world.settle()
    return only_run(world)


def test_images_are_counted_when_they_are_stored_and_frozen(world: World) -> None:
    collect(world, [*pictures(30), *steps.questions(10)])
    found = freeze_export(world)

    [segment] = app.datasets.segments(world.tenant, "support", 1)
    export = app.exports.get(world.tenant, "support", found["id"])
    assert segment.images == ImageUnits(
        images=30, tiles_least=120, tiles_most=120, patches_least=30 * 1024, patches_most=30 * 1024
    )
    assert sum(file.images.images for file in export.files.values() if file.images) == 30
    assert found["files"]["train"]["images"]["images"] > 0


def test_the_estimate_counts_images_before_a_freeze_and_after(world: World) -> None:
    collect(world, pictures(30))

    [before] = read_estimate(world, provider="openai", base_model="gpt-4o")["estimates"]
    freeze_export(world)
    [after] = read_estimate(world, provider="openai", base_model="gpt-4o")["estimates"]
    [unknown] = read_estimate(world, provider="bedrock", base_model="amazon.nova-micro-v1:0")["estimates"]

    for found in (before, after):
        assert found["image_tokens"]["low"] == found["image_tokens"]["high"] == 765 * found["examples"]
        assert found["estimated_tokens"] > found["n_epochs"] * 765 * found["examples"]
    assert unknown["image_tokens"] == {"images": after["examples"], "low": 0, "high": 0}
    assert LEFT_OUT_IMAGES in unknown["notes"]


@pytest.mark.parametrize("is_frozen", [False, True])
def test_a_count_shows_as_many_images_as_the_dataset_does(is_frozen: bool, world: World) -> None:
    collect(world, pictures(30))
    if is_frozen:
        freeze_export(world)
    queries = [{"examples": "30", "average_tokens": "30"}, {"examples": "30"}, {"average_tokens": "30"}]

    for query in queries:
        [found] = read_estimate(world, provider="openai", base_model="gpt-4o", **query)["estimates"]

        assert found["image_tokens"]["low"] == found["image_tokens"]["high"] == 765 * found["examples"]
        assert found["estimated_cost_usd"]["low"] > 25 * 765 * found["examples"] * found["n_epochs"] / 1e6


def test_images_that_were_not_counted_are_said_to_lack_in_a_count_too(world: World) -> None:
    collect(world, pictures(30))
    [segment] = app.datasets.segments(world.tenant, "support", 1)
    uncounted = segment.model_copy(update={"images": None})
    app.table.commit(Put(keys.segment(world.tenant, "support", segment.sha256), uncounted))

    [told] = read_estimate(world, provider="openai", base_model="gpt-4o", examples="30", average_tokens="30")[
        "estimates"
    ]

    assert told["image_tokens"] is None
    assert any("before images were counted" in note for note in told["notes"])


def test_a_run_of_images_is_held_at_what_they_cost(live: World, monkeypatch: pytest.MonkeyPatch) -> None:
    offer = price_of("openai", "gpt-4o")
    assert offer
    priced(monkeypatch, an_offer(images=offer.images))

    run = run_of(live, pictures(30), hyperparameters={"n_epochs": 1})

    assert run["status"] == "awaiting_confirmation"
    assert "above the limit of $2.00 for one run" in run["waiting_for"]
    assert run["estimated_cost_usd"] > 100 * 765 * 20 / 1e6


@pytest.mark.parametrize(
    ("offer", "status"),
    [
        (an_offer(), "awaiting_confirmation"),
        (an_offer(training_per_1m=0), "succeeded"),
        (an_offer(trains_images=False), "succeeded"),
    ],
)
def test_images_that_nobody_can_count_wait_unless_they_are_free(
    offer: Offer, status: str, live: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    priced(monkeypatch, offer)

    run = run_of(live, pictures(30))

    if status == "awaiting_confirmation":
        assert (run["status"], run["estimated_cost_usd"]) == (status, None)
        assert "images, and how this provider counts the tokens of an image is not known here" in run["waiting_for"]
    else:
        assert run["status"] != "awaiting_confirmation"


def test_an_export_of_before_images_were_counted_is_read_before_it_costs(
    live: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    live.call("POST /v1/datasets", "/v1/datasets", {"id": "support", "on_drop": "collect", "max_run_usd": "2"})
    steps.settled(live, pictures(30))
    [export] = app.exports.page(live.tenant, "support", 10, None).data
    files = {split: file.model_copy(update={"images": None}) for split, file in export.files.items()}
    app.exports.rewrite(export.model_copy(update={"files": files}))
    priced(monkeypatch, an_offer())

    [told] = read_estimate(live, provider="openai", base_model="gpt-4o")["estimates"]
    assert request_run(live).status == 202
    live.settle()

    assert told["image_tokens"] is None
    assert any("before images were counted" in note for note in told["notes"])
    assert only_run(live)["status"] == "awaiting_confirmation"


def test_an_older_export_without_images_trains_as_before(live: World, monkeypatch: pytest.MonkeyPatch) -> None:
    live.call("POST /v1/datasets", "/v1/datasets", {"id": "support", "on_drop": "collect"})
    steps.settled(live, steps.questions(40))
    [export] = app.exports.page(live.tenant, "support", 10, None).data
    files = {split: file.model_copy(update={"images": None}) for split, file in export.files.items()}
    app.exports.rewrite(export.model_copy(update={"files": files}))
    priced(monkeypatch, an_offer())

    assert request_run(live).status == 202
    live.settle()

    assert only_run(live)["status"] != "awaiting_confirmation"


def test_an_erasure_leaves_the_images_of_the_others(world: World, later: Later) -> None:
    collect(world, [*pictures(20), shown(REMOTE, "Whose card is it?", "ace", subject=SUBJECT)])
    found = freeze_export(world)

    erase_subject(world, SUBJECT)
    world.settle()
    sweep_erasures(world, later)

    export = app.exports.get(world.tenant, "support", found["id"])
    images = [file.images for file in export.files.values()]
    assert None not in images
    assert sum(line.images for line in images if line) == 20
    [segment] = app.datasets.segments(world.tenant, "support", 1)
    assert segment.images
    assert (segment.images.images, export.files[Split.TRAIN].images is not None) == (20, True)
