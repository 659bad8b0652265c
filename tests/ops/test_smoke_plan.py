"""The smoke test's price is known before it is spent, and covers what is really asked."""

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import boto3
import orjson
import pytest

from infra.stage import stage_named
from ops.console import CommandRefused
from ops.smoke.command import state_price
from ops.smoke.plan import _tokens, plan_smoke_test, question_of
from ops.smoke.report import describe_bill
from ops.smoke.steps import SmokeTest
from tests.ops.conftest import Standing
from tuneloop.domain.evaluation.evaluations import FEWEST_ROWS
from tuneloop.providers.catalog import price_of

pytestmark = pytest.mark.usefixtures("account")

OPENAI = ("openai", "gpt-4.1-mini-2025-04-14")
NOVA = ("bedrock", "amazon.nova-micro-v1:0")


def deployed(provider: str, base_model: str) -> Standing:
    standing = Standing(stage_named("try", {}), ApiUrl="https://api.example/", Provider=provider, BaseModel=base_model)
    if provider != "bedrock":
        boto3.client("ssm").put_parameter(Name=standing.stage.key_parameter, Value="sk", Type="SecureString")
    return standing


def test_it_trains_on_a_few_dozen_lines_and_proves_on_others() -> None:
    made = plan_smoke_test(price_of(*OPENAI))

    assert len(made.test) >= FEWEST_ROWS
    assert 10 <= len(made.train) < 100
    assert not {question_of(line) for line in made.train} & {question_of(line) for line in made.test}
    assert all(orjson.loads(line)["messages"] for line in made.train + made.test)


def test_its_price_at_openai_is_a_few_cents_rounded_up() -> None:
    made = plan_smoke_test(price_of(*OPENAI))

    assert made.training_usd
    assert made.answers_usd
    assert made.total_usd == Decimal("0.08")
    assert made.training_usd + made.answers_usd < made.total_usd


def test_the_price_and_the_cap_are_stated_first(capsys: pytest.CaptureFixture[str]) -> None:
    state_price(deployed(*OPENAI), Decimal("1.00"))

    assert "costs at most $0.08 there; the cap is $1.00" in capsys.readouterr().out


def test_on_bedrock_it_costs_a_cent_needs_no_key_and_says_what_it_keeps(
    capsys: pytest.CaptureFixture[str],
) -> None:
    made = state_price(deployed(*NOVA), Decimal("1.00"))

    said = capsys.readouterr().out
    assert made.total_usd == Decimal("0.01")
    assert "trains amazon.nova-micro-v1:0 at bedrock" in said
    assert "costs at most $0.01 there; the cap is $1.00" in said
    assert "$1.95 a month to keep: the test retires it at its end" in said
    assert "How long training takes there is not known" in said


def test_as_many_epochs_are_priced_as_the_provider_trains_by_itself() -> None:
    nova = price_of(*NOVA)
    assert nova
    assert nova.training_per_1m

    made = plan_smoke_test(nova)

    once = nova.training_per_1m * sum(map(_tokens, made.train)) / 1_000_000
    assert made.training_usd == 2 * once


def test_a_price_above_the_cap_is_refused() -> None:
    with pytest.raises(CommandRefused, match=r"above the cap: make smoke STAGE=try CAP=0\.08"):
        state_price(deployed(*OPENAI), Decimal("0.01"))


def test_an_unknown_price_is_refused_unless_it_is_taken_as_it_comes() -> None:
    own = deployed("own", "gpt-oss-20b")

    with pytest.raises(CommandRefused, match="UNPRICED=1"):
        state_price(own, Decimal("1.00"))
    assert state_price(own, Decimal("1.00"), unpriced=True).total_usd is None


def test_a_stage_without_a_key_or_not_deployed_is_told_what_to_run() -> None:
    with pytest.raises(CommandRefused, match="make deploy STAGE=try"):
        state_price(Standing(stage_named("try", {})), Decimal(1))
    with pytest.raises(CommandRefused, match="make provider-key STAGE=try"):
        state_price(Standing(stage_named("try", {}), Provider="openai", BaseModel="x"), Decimal(1))


def test_a_file_without_an_s3_event_is_waited_for_until_the_sweep() -> None:
    none: Any = SimpleNamespace()
    prod = stage_named("prod", {}).unseen_after_s

    smoke = SmokeTest(
        stack=none, dataset="d", tenant="t", plan=none, cap=Decimal(1), timeout_minutes=1, unseen_after_s=prod
    )

    assert smoke.collect_s > prod + 300


def test_the_bill_adds_up_and_says_what_it_does_not_know() -> None:
    none: Any = SimpleNamespace()
    smoke = SmokeTest(
        stack=none, dataset="d", tenant="t", plan=none, cap=Decimal(1), timeout_minutes=1, unseen_after_s=1
    )
    smoke.run, smoke.evaluation, smoke.usage = {"training_cost_usd": 0.05}, {"cost_usd": None}, [{"cost_usd": 0.01}]

    lines = describe_bill(smoke).splitlines()

    assert "  training    $0.0500" in lines
    assert "  evaluation  unknown" in lines
    assert "  total       $0.0600" in lines
