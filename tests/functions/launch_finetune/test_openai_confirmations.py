"""Jobs of OpenAI's wire that cost more than is allowed: refused with the cost, and confirmed by their metadata."""

from decimal import Decimal
from typing import Any

import pytest
from openai import ConflictError, OpenAI

from tests.functions import steps
from tests.functions.openai_scripts import created, ended, refusal, uploaded
from tests.world import World
from tuneloop.app import app
from tuneloop.domain.training.runs import RunStatus


def test_a_job_that_needs_confirmation_says_its_cost_and_makes_nothing(
    live: World, client: OpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    costing(monkeypatch, Decimal(1_000_000))
    file = uploaded(client)

    refused = refusal(client.fine_tuning.jobs.create, model=steps.BASE_MODEL, training_file=file, suffix="dear")

    assert isinstance(refused, ConflictError)
    assert (refused.code, refused.param) == ("confirmation_required", "metadata.tuneloop_max_usd")
    assert "would cost about $" in refused.message
    named = refused.message.partition('"tuneloop_max_usd": "')[2].partition('"')[0]
    assert client.fine_tuning.jobs.list().data == []
    assert app.models.find(live.tenant, "dear") is None
    too_little = refusal(
        client.fine_tuning.jobs.create,
        model=steps.BASE_MODEL,
        training_file=file,
        metadata={"tuneloop_max_usd": "26"},
    )
    assert (too_little.code, "its metadata" in too_little.message) == ("confirmation_required", True)
    confirmed = created(client, file, metadata={"tuneloop_max_usd": named})
    live.settle()
    assert steps.look(live, confirmed.id)["provider_job_id"]


def test_a_price_that_nobody_knows_is_confirmed_too(
    live: World, client: OpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    costing(monkeypatch, None)
    file = uploaded(client)

    refused = refusal(client.fine_tuning.jobs.create, model=steps.BASE_MODEL, training_file=file)
    confirmed = created(client, file, metadata={"tuneloop_max_usd": "5"})
    live.settle()

    assert (refused.code, "is not known here" in refused.message) == ("confirmation_required", True)
    assert steps.look(live, confirmed.id)["provider_job_id"]


def test_a_job_beyond_the_month_s_budget_is_confirmed_too(
    live: World, client: OpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    costing(monkeypatch, Decimal(10))
    app.spendings.set_budget(live.tenant, Decimal("0.000001"))
    file = uploaded(client)

    refused = refusal(client.fine_tuning.jobs.create, model=steps.BASE_MODEL, training_file=file)

    assert (refused.code, "of the budget" in refused.message) == ("confirmation_required", True)
    assert created(client, file, metadata={"tuneloop_max_usd": "5"}).status == "validating_files"


def costing(monkeypatch: pytest.MonkeyPatch, per_million: Decimal | None) -> None:
    """Let training cost so much, as the functions of launching see it."""
    import launch_finetune.launch as launching  # noqa: PLC0415
    import launch_finetune.openai_jobs as creating  # noqa: PLC0415 - a function's package is found once its world is

    for module in (creating, launching):
        found = module.price_of

        def price(provider: str, base_model: str, found: Any = found) -> Any:
            return found(provider, base_model).model_copy(update={"training_per_1m": per_million})

        monkeypatch.setattr(module, "price_of", price)


def test_a_run_awaiting_confirmation_says_so_and_is_confirmed_by_the_job(live: World, client: OpenAI) -> None:
    file = uploaded(client)
    job = created(client, file)
    stored = app.runs.get(live.tenant, job.id)
    waits = stored.model_copy(update={"status": RunStatus.AWAITING_CONFIRMATION, "estimated_cost_usd": Decimal(3)})
    app.runs.save(waits.with_wait("A confirmation: it is dear.", stored.created_at))

    seen = client.fine_tuning.jobs.retrieve(job.id)
    newest = {event.message for event in client.fine_tuning.jobs.list_events(job.id)}
    assert (seen.status, "Waiting for: A confirmation: it is dear." in newest) == ("queued", True)
    assert created(client, file, metadata={"tuneloop_max_usd": "2"}).status == "queued"
    assert created(client, file, metadata={"tuneloop_max_usd": "3"}).status == "validating_files"
    assert ended(live, client, job.id).status == "succeeded"


@pytest.mark.parametrize("amount", ["much", "-1", "NaN", "1e99"])
def test_a_confirmation_is_an_amount(amount: str, client: OpenAI) -> None:
    file = uploaded(client)

    refused = refusal(
        client.fine_tuning.jobs.create,
        model=steps.BASE_MODEL,
        training_file=file,
        metadata={"tuneloop_max_usd": amount},
    )

    assert (refused.status_code, refused.param) == (422, "metadata.tuneloop_max_usd")
