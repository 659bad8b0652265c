"""`GET /v1/base-models`: what can be trained, with the date and source of every figure."""

from datetime import date

from tests.functions.refusals import refused
from tests.world import Answer, World
from tuneloop.app import app, utc_now
from tuneloop.domain.serving.sunset import Shutdowns
from tuneloop.domain.training.providers import RegisteredProvider


def listed(world: World, **query: str) -> Answer:
    return world.call("GET /v1/base-models", "/v1/base-models", **query)


def test_every_base_model_says_what_it_takes_and_costs_and_who_says_so(world: World) -> None:
    rows = listed(world).body["data"]

    assert {"openai", "bedrock", "trainer"} == {row["provider"] for row in rows}
    mini = next(row for row in rows if row["id"] == "gpt-4o-mini-2024-07-18")
    assert mini["aliases"] == ["gpt-4o-mini"]
    assert mini["methods"] == ["supervised", "preference"]
    assert mini["hyperparameters"]["n_epochs"] == {"least": 1, "most": 50, "is_whole": True, "default": None}
    assert mini["prices"]["training_per_1m"] == 3
    assert (mini["shutdown_date"], bool(mini["shutdown_source"])) == ("2027-01-14", True)
    assert mini["successor"]["provider"] == "bedrock"
    for row in rows:
        assert row["prices"]["date"]
        assert row["prices"]["source"]
    assert [row["id"] for row in rows if row["provider"] == "trainer"] == [app.settings.base_model, "*"]
    assert {row["available"] for row in rows if row["provider"] == "trainer"} == {True}
    assert [(row["provider"], row["id"]) for row in rows if row["is_default"]] == [
        (app.settings.provider, app.settings.base_model)
    ]
    assert not mini["available"]


def test_one_provider_s_are_asked_for_by_its_name(world: World) -> None:
    app.provider_rows.save(RegisteredProvider(name="selfhosted", base_url="https://acme.example/v1"))

    assert {row["provider"] for row in listed(world, provider="bedrock").body["data"]} == {"bedrock"}
    assert listed(world, provider="selfhosted").body["data"] == []
    message = refused(listed(world, provider="nobody"), 409, "unknown_provider", "provider")
    assert "bedrock, openai, selfhosted, trainer" in message


def test_what_a_provider_says_of_an_end_counts_before_the_catalog(world: World) -> None:
    ends = {"gpt-4o-mini-2024-07-18": date(2026, 12, 24)}
    app.provider_rows.save_shutdowns(Shutdowns(provider="openai", models=ends, read_at=utc_now()))

    rows = {row["id"]: row for row in listed(world, provider="openai").body["data"]}

    assert rows["gpt-4o-mini-2024-07-18"]["shutdown_date"] == "2026-12-24"
    assert "own list" in rows["gpt-4o-mini-2024-07-18"]["shutdown_source"]
    assert rows["gpt-4.1-2025-04-14"]["shutdown_date"] == "2027-01-14"
