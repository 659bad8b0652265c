"""Estimates through the API: by the newest export, by segments before there is one, by a count alone."""

from typing import Any

import pytest

from tests.functions import steps
from tests.functions.datasets import collect
from tests.functions.export_data.estimates import read_estimate, request_estimate
from tests.functions.exports import freeze_export
from tests.world import World
from tuneloop.app import app
from tuneloop.domain.training.providers import RegisteredProvider


@pytest.fixture
def openai(monkeypatch: pytest.MonkeyPatch, world: World) -> World:
    """A world whose provider asks for money."""
    monkeypatch.setattr(app.settings, "provider", "openai")
    return world


def test_the_newest_export_is_what_is_priced_and_its_revision_is_said(world: World) -> None:
    collect(world, steps.questions(200))
    found = freeze_export(world)
    collect(world, steps.questions(300), name="more.jsonl")

    priced = read_estimate(world)

    only = priced["estimates"][0]
    train = found["files"]["train"]
    assert (priced["basis"], priced["export"], priced["revision"]) == ("export", found["id"], found["revision"])
    assert priced["current_revision"] == found["revision"] + 1
    assert only["examples"] == train["examples"]
    assert only["estimated_tokens"] == train["tokens"] * only["n_epochs"]
    assert only["test_rows"] == found["files"]["test"]["examples"]


def test_what_the_trainer_trains_is_free_and_that_is_known(world: World) -> None:
    collect(world, steps.questions(200))
    freeze_export(world)

    (only,) = read_estimate(world, calls="1000")["estimates"]

    assert only["base_model"] == "tuneloop-linear-1"
    assert only["estimated_cost_usd"] == {"low": 0.0, "high": 0.0}
    assert only["monthly_calls"]["cost_usd"] == 0
    assert only["smallest_provable_improvement"] > 0.1


def test_every_base_model_of_a_provider_is_priced_the_dataset_s_own_first(openai: World) -> None:
    collect(openai, steps.questions(200))
    freeze_export(openai)

    priced = read_estimate(openai, calls="1000000")["estimates"]

    models = {estimate["base_model"]: estimate for estimate in priced}
    assert priced[0]["base_model"] == "tuneloop-linear-1"
    assert priced[0]["estimated_cost_usd"] is None
    assert "not known" in priced[0]["notes"][0]
    mini = models["gpt-4.1-mini-2025-04-14"]
    tokens = mini["estimated_tokens"]
    assert mini["estimated_cost_usd"]["low"] == pytest.approx(0.95 * tokens * 5 / 1e6)
    assert mini["monthly_calls"]["difference_usd"] == pytest.approx(
        mini["monthly_calls"]["cost_usd"] - mini["monthly_calls"]["base_cost_usd"]
    )
    assert mini["monthly_calls"]["completion_tokens"] < mini["monthly_calls"]["prompt_tokens"]
    assert (mini["price_date"], mini["cost_per_1m_tokens"]) == ("2026-11-01", 5.0)


def test_before_there_is_an_export_its_segments_are_counted(world: World) -> None:
    collect(world, steps.questions(200))

    priced = read_estimate(world)

    assert (priced["basis"], priced["export"], priced["revision"]) == ("segments", None, 1)
    assert priced["estimates"][0]["examples"] + priced["estimates"][0]["test_rows"] == 180


@pytest.mark.parametrize(
    "lines",
    [
        steps.questions(50),
        [line | {"subject": f"s{number % 6}"} for number, line in enumerate(steps.questions(120))],
        [line | {"split": "validation"} if number < 20 else line for number, line in enumerate(steps.questions(100))],
    ],
    ids=["fifty", "six subjects", "marked"],
)
def test_what_a_run_costs_lies_in_what_was_estimated_before_the_freeze(
    lines: list[dict[str, Any]], openai: World
) -> None:
    collect(openai, lines)

    [before] = read_estimate(openai, base_model="gpt-4o-mini")["estimates"]
    freeze_export(openai)
    [after] = read_estimate(openai, base_model="gpt-4o-mini")["estimates"]

    low, high = before["estimated_cost_usd"]["low"], before["estimated_cost_usd"]["high"]
    assert low <= after["estimated_cost_usd"]["low"]
    assert after["estimated_cost_usd"]["high"] <= high * 1.02  # no example is as long as the average
    unmarked = sum("split" not in line for line in lines)
    assert f"The high end has all {unmarked} examples train." in " ".join(before["notes"])
    assert "a test may not be drawn" in " ".join(before["notes"])
    assert "high end" not in " ".join(after["notes"])


def test_a_count_alone_is_enough_even_of_an_empty_dataset(world: World) -> None:
    world.call("POST /v1/datasets", "/v1/datasets", {"id": "support"})

    refused = request_estimate(world, examples="1000")
    priced = read_estimate(world, examples="1000", average_tokens="200")

    assert (refused.status, refused.body["error"]["code"]) == (409, "empty_dataset")
    assert "both `examples` and `average_tokens`" in refused.body["error"]["message"]
    assert (priced["basis"], priced["revision"]) == ("count", None)
    only = priced["estimates"][0]
    assert only["estimated_tokens"] == 200 * only["examples"] * only["n_epochs"]


@pytest.mark.parametrize("query", [{"examples": "5000"}, {"average_tokens": "300"}], ids=str)
def test_half_a_count_says_nothing_where_the_newest_export_took_nothing(query: dict[str, str], world: World) -> None:
    collect(world, steps.questions(30))
    world.call("PATCH /v1/datasets/{dataset}", "/v1/datasets/support", {"policy": {"categories": ["none"]}})
    freeze_export(world)

    refused = request_estimate(world, **query)

    assert (refused.status, refused.body["error"]["code"]) == (409, "empty_dataset")
    assert "both `examples` and `average_tokens`" in refused.body["error"]["message"]


def test_a_count_takes_the_length_of_what_is_there(world: World) -> None:
    collect(world, steps.questions(200))
    found = freeze_export(world)

    priced = read_estimate(world, examples="10000", n_epochs="1")["estimates"][0]

    files = found["files"].values()
    average = sum(file["tokens"] for file in files) / sum(file["examples"] for file in files)
    assert priced["estimated_tokens"] / priced["examples"] == pytest.approx(average, rel=0.01)


def test_an_export_without_a_test_proves_nothing(world: World) -> None:
    collect(world, steps.questions(30))
    freeze_export(world)

    only = read_estimate(world)["estimates"][0]

    assert only["smallest_provable_improvement"] is None
    assert "activate by hand" in only["notes"][0]


@pytest.mark.parametrize(
    "query",
    [
        {"examples": "0"},
        {"calls": "-1"},
        {"epochs": "51"},
        {"n_epochs": "51"},
        {"n_epochs": "0"},
        {"base_model": ""},
        {"average_tokens": "x"},
    ],
)
def test_what_makes_no_sense_is_refused(world: World, query: dict[str, str]) -> None:
    collect(world, steps.questions(30))

    assert request_estimate(world, **query).status == 422


def test_epochs_go_by_one_name_and_price_what_a_run_with_them_would(openai: World) -> None:
    collect(openai, steps.questions(200))
    freeze_export(openai)

    asked_for = [
        read_estimate(openai, **query, base_model="gpt-4o-mini")["estimates"]
        for query in ({"n_epochs": "7"}, {"epochs": "7"}, {})
    ]

    assert [only["n_epochs"] for (only,) in asked_for] == [7, 7, 3]
    assert [only["epochs"] for (only,) in asked_for] == [7, 7, 3]
    once = asked_for[2][0]["estimated_tokens"] / 3
    assert asked_for[0][0]["estimated_tokens"] == 7 * once


@pytest.mark.parametrize(
    ("query", "provider", "models"),
    [
        ({"base_model": "gpt-4o-mini", "provider": "openai"}, "openai", ["gpt-4o-mini-2024-07-18"]),
        ({"base_model": "gpt-4.1-2025-04-14", "provider": "openai"}, "openai", ["gpt-4.1-2025-04-14"]),
        ({"provider": "bedrock", "base_model": "amazon.nova-micro-v1:0"}, "bedrock", ["amazon.nova-micro-v1:0"]),
        ({"base_model": "whatever-it-has"}, "trainer", ["whatever-it-has"]),
        ({}, "trainer", ["tuneloop-linear-1"]),
    ],
)
def test_another_base_model_and_provider_can_be_priced(
    query: dict[str, str], provider: str, models: list[str], world: World
) -> None:
    collect(world, steps.questions(60))

    priced = read_estimate(world, **query)

    assert (priced["provider"], [estimate["base_model"] for estimate in priced["estimates"]]) == (provider, models)


def test_a_provider_alone_has_all_that_it_lists_priced(world: World) -> None:
    collect(world, steps.questions(60))

    found = [estimate["base_model"] for estimate in read_estimate(world, provider="openai")["estimates"]]

    assert found == ["gpt-4.1-2025-04-14", "gpt-4.1-mini-2025-04-14", "gpt-4o-2024-08-06", "gpt-4o-mini-2024-07-18"]


@pytest.mark.parametrize(
    ("query", "status", "code", "param", "named"),
    [
        ({"provider": "nobody"}, 409, "unknown_provider", "provider", "bedrock, openai, own, trainer"),
        ({"provider": "openai", "base_model": "gpt-9"}, 422, "unknown_base_model", "base_model", "gpt-4o-mini"),
        ({"provider": "bedrock", "base_model": "nova"}, 422, "unknown_base_model", "base_model", "amazon.nova-micro"),
        ({"provider": "own"}, 422, "missing", "base_model", "own's"),
        ({"provider": "No Name"}, 422, "string_pattern_mismatch", "provider", ""),
        ({"model": "gpt-4o"}, 422, "unknown_parameter", "model", "base_model"),
    ],
)
def test_a_name_that_nobody_has_is_refused_with_what_there_is(
    query: dict[str, str], status: int, code: str, param: str, named: str, world: World
) -> None:
    app.provider_rows.save(RegisteredProvider(name="own", base_url="https://acme.example/v1"))
    collect(world, steps.questions(60))

    refused = request_estimate(world, **query)

    error = refused.body["error"]
    assert (refused.status, error["code"], error["param"]) == (status, code, param)
    assert named in error["message"]


def test_a_provider_that_was_added_has_unknown_prices(world: World) -> None:
    app.provider_rows.save(RegisteredProvider(name="own", base_url="https://acme.example/v1"))
    collect(world, steps.questions(60))

    [only] = read_estimate(world, provider="own", base_model="its-model")["estimates"]

    assert (only["base_model"], only["estimated_cost_usd"]) == ("its-model", None)
