"""`tuneloop budget`: shown and set with AWS credentials."""

from typing import Any

import pytest
from typer.testing import CliRunner

from tests.unit.factories import NOW
from tuneloop.app import App
from tuneloop.cli import budget
from tuneloop.cli.commands import cli
from tuneloop.domain.core.errors import InvalidInput, NotFound


@pytest.fixture(autouse=True)
def stage(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    app.tenants.ensure("acme", NOW)
    monkeypatch.setattr(budget, "tenants", lambda _: app.tenants)
    monkeypatch.setattr(budget, "spendings", lambda _: app.spendings)


def said(*arguments: str) -> Any:
    return CliRunner().invoke(cli, ["budget", *arguments])


def test_a_budget_is_set_shown_and_taken_away() -> None:
    assert "acme has no budget" in said("acme").output
    assert "a budget of $50.00" in said("acme", "--monthly-usd", "50").output
    assert "$0.00 spent, $0.00 reserved, $50.00 left." in said("acme").output
    assert "acme has no budget" in said("acme", "--monthly-usd", "none").output


@pytest.mark.parametrize("amount", ["much", "-1", "nan", "inf", "1000001"])
def test_what_is_no_amount_is_refused(amount: str) -> None:
    assert isinstance(said("acme", f"--monthly-usd={amount}").exception, InvalidInput)


def test_a_tenant_that_is_not_there_has_no_budget() -> None:
    assert isinstance(said("initech").exception, NotFound)
