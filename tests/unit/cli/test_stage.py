"""Which stage the command works on, and which address it calls: what it was told, or nothing."""

import os
from collections.abc import Callable

import pytest
from typer.testing import CliRunner

from tuneloop.cli.api import ApiClient
from tuneloop.cli.commands import cli
from tuneloop.domain.core.errors import InvalidInput

Command = Callable[..., str]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Command:
    request.getfixturevalue("stage")
    monkeypatch.setattr("tuneloop.cli.stage._outputs", lambda _: {})  # nothing is deployed

    def ran(*words: str) -> str:
        done = CliRunner().invoke(cli, words)
        return f"{done.output}{done.exception or ''}"

    return ran


def test_an_environment_of_one_stage_says_nothing_of_another(run: Command) -> None:
    here = os.environ["TUNELOOP_STAGE"]

    assert "tl_" in run("keys", "create", "acme", "--stage", here)
    assert "tuneloop-nope" in run("keys", "create", "acme", "--stage", "nope")
    assert "tuneloop-nope" in run("drops", "refused", "--stage", "nope")


def test_a_key_names_its_stage_and_its_list_a_tenant_that_exists(run: Command) -> None:
    here = os.environ["TUNELOOP_STAGE"]

    assert f"of acme in stage {here}." in run("keys", "create", "acme", "--stage", here)
    assert "There is no tenant nobody" in run("keys", "list", "nobody", "--stage", here)
    assert "key-" in run("keys", "list", "acme", "--stage", here)


def test_no_refused_drops_are_said_to_be_none(run: Command) -> None:
    assert "No refused drops." in run("drops", "refused", "--stage", os.environ["TUNELOOP_STAGE"])


@pytest.mark.parametrize("url", ["nonsense", "https://api.example.com", "ftp://api.example.com/v1", "https://[bad/v1"])
def test_an_address_that_can_t_be_the_api_s_is_refused_before_it_is_called(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNELOOP_BASE_URL", url)

    with pytest.raises(InvalidInput, match=r"ends in /v1|TUNELOOP_BASE_URL is no URL"):
        ApiClient.from_environment()
