"""What calls cost where a provider tells their tokens badly, in part or not at all: through its real wire."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.functions import scripted_evaluations, steps
from tests.unit.providers.server import Server
from tests.world import World
from tuneloop.app import app, utc_now
from tuneloop.domain.serving.usage import UsageRecord
from tuneloop.domain.training.providers import RegisteredProvider
from tuneloop.store import keys
from tuneloop.store.dynamodb import Increment
from tuneloop.store.repositories.usage import Usage

MINI = "gpt-4o-mini-2024-07-18"  # base prices in USD per million: 0.15 in, 0.075 cached, 0.60 out
NOVA = "amazon.nova-micro-v1:0"
PARAMETER = "/tuneloop/test/providers/openai/key"


@pytest.fixture
def server() -> Iterator[Server]:
    with Server().running() as played:
        yield played


@pytest.fixture
def priced(world: World, server: Server) -> World:
    """A world in which `support` is served by a model whose price is known."""
    world.ssm.put_parameter(Name=PARAMETER, Value="a-long-enough-key", Type="SecureString", Overwrite=True)
    app.provider_rows.save(RegisteredProvider(name="openai", base_url=server.url, key_parameter=PARAMETER))
    body = {"id": "support", "provider": "openai", "base_model": MINI}
    assert world.call("POST /v1/models", "/v1/models", body).status == 201
    return world


def answer(**fields: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": "late"}
    return {"id": "c-1", "object": "chat.completion", "choices": [{"index": 0, "message": message}], **fields}


def asked(world: World, server: Server, **fields: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the app got, and the usage report."""
    server.plays_next(answer(**fields))
    told = steps.ask(world)
    assert told.status == 200, told.text
    [row] = steps.usage(world)
    return told.body, row


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"usage": None},
        {"usage": {}},
        {"usage": "none"},
        {"usage": []},
        {"usage": {"prompt_tokens": None, "completion_tokens": None}},
        {"usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}},
        {"usage": {"prompt_tokens": -100, "completion_tokens": 10}},
        {"usage": {"prompt_tokens": "many", "completion_tokens": 10}},
        {"usage": {"prompt_tokens": 100, "completion_tokens": 1.5}},
        {"usage": {"total_tokens": 110}},
    ],
)
def test_tokens_that_are_not_told_cost_an_unknown_sum(fields: dict[str, Any], priced: World, server: Server) -> None:
    told, row = asked(priced, server, **fields)

    assert told["usage"] is None
    assert (row["calls"], row["unmetered_calls"], row["unpriced_calls"], row["cost_usd"]) == (1, 1, 1, 0)


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100},
        {"input_tokens": 1000, "output_tokens": 100, "total_tokens": 1100},
        {"input_tokens": 1000, "output_tokens": 100},
        {"inputTokens": 1000, "outputTokens": 100},
        {"prompt_tokens": 1000, "total_tokens": 1100},
        {"completion_tokens": 100, "total_tokens": 1100},
        {"prompt_tokens": None, "completion_tokens": 100.0, "total_tokens": 1100},
        {"prompt_tokens": 0, "completion_tokens": 0, "input_tokens": 1000, "output_tokens": 100},
    ],
)
def test_tokens_are_counted_under_whatever_name(usage: dict[str, Any], priced: World, server: Server) -> None:
    told, row = asked(priced, server, usage=usage)

    assert [told["usage"][f"{part}_tokens"] for part in ("prompt", "completion", "total")] == [1000, 100, 1100]
    assert (row["prompt_tokens"], row["completion_tokens"], row["cost_usd"]) == (1000, 100, 0.00021)
    assert (row["unmetered_calls"], row["unpriced_calls"], row["upper_bound_calls"]) == (0, 0, 0)


@pytest.mark.parametrize(
    ("usage", "cached", "cost", "upper"),
    [
        ({"prompt_tokens": 1000, "prompt_tokens_details": {"cached_tokens": 800}}, 800, 0.00015, 0),
        ({"input_tokens": 1000, "input_tokens_details": {"cached_tokens": 800}}, 800, 0.00015, 0),
        ({"input_tokens": 200, "cache_read_input_tokens": 800}, 800, 0.00015, 0),
        ({"prompt_tokens": 1000, "prompt_tokens_details": {"cached_tokens": 0}}, 0, 0.00021, 0),
        ({"prompt_tokens": 1000, "prompt_tokens_details": {"cached_tokens": 1001}}, 0, 0.00021, 1),
    ],
)
def test_cached_tokens_are_billed_at_their_own_rate(
    usage: dict[str, Any], cached: int, cost: float, upper: int, priced: World, server: Server
) -> None:
    _, row = asked(priced, server, usage=usage | {"completion_tokens": 100})

    assert (row["prompt_tokens"], row["cached_tokens"], row["cost_usd"]) == (1000, cached, cost)
    assert (row["upper_bound_calls"], row["unpriced_calls"]) == (upper, 0)


def test_a_stream_without_counts_ends_without_a_chunk_of_them(priced: World, server: Server) -> None:
    server.plays_next(answer(usage={"total_tokens": 5}))

    told = steps.ask(priced, stream=True, stream_options={"include_usage": True})

    assert '"finish_reason":"stop"' in told.text or "late" in told.text
    assert '"choices":[]' not in told.text
    [row] = steps.usage(priced)
    assert (row["unmetered_calls"], row["unpriced_calls"]) == (1, 1)


def test_rows_and_messages_of_an_older_stage_are_read_as_before(world: World) -> None:
    steps.registered(world)
    slot = keys.usage(world.tenant, "support", utc_now().date().isoformat(), 1, 0)
    app.table.commit(
        Increment(slot, {"calls": 2, "prompt_tokens": 30, "cost_usd": Decimal("0.5"), "unpriced_calls": 1})
    )
    older = {"model": "support", "version": 1, "prompt_tokens": 5, "cost_usd": 0.1, "at": utc_now().isoformat()}

    record = UsageRecord.model_validate(older)
    [row] = Usage(app.table).rows(world.tenant, "support", "2000-01-01", "2999-01-01")

    assert (row.calls, row.cost_usd, row.unpriced_calls, row.unmetered_calls, row.cached_tokens) == (
        2,
        Decimal("0.5"),
        1,
        0,
        0,
    )
    assert (record.is_metered, record.is_upper_bound, record.cached_tokens) == (True, False, 0)


def test_an_evaluation_says_whose_answers_its_cost_leaves_out(priced: World, server: Server) -> None:
    [body] = scripted_evaluations.prepare_comparison(priced, scripted_evaluations.lines(20))
    scripted_evaluations.change_version(priced, 1, provider="openai", base_model=MINI)
    usage = {"prompt_tokens": 1000, "completion_tokens": 100}
    server.plays_next(*[answer(usage=usage)] * 25, answer())

    found = scripted_evaluations.evaluate_to_end(priced, body)

    assert found["status"] == "completed"
    assert found["unmetered"] == 15
    assert sum(found["arms"][arm]["unmetered"] for arm in ("candidate", "base")) == 15
    costs = [found["arms"][arm]["cost_usd"] for arm in ("candidate", "base")]
    assert found["cost_usd"] == pytest.approx(sum(costs))
    assert found["cost_usd"] > 0


def test_an_evaluation_whose_tokens_nobody_tells_costs_an_unknown_sum(priced: World, server: Server) -> None:
    [body] = scripted_evaluations.prepare_comparison(priced, scripted_evaluations.lines(20))
    scripted_evaluations.change_version(priced, 1, provider="openai", base_model=MINI)
    server.plays_next(answer(usage={}))

    found = scripted_evaluations.evaluate_to_end(priced, body)

    assert (found["status"], found["cost_usd"], found["unmetered"]) == ("completed", None, 40)
    assert found["arms"]["candidate"]["cost_usd"] is None
