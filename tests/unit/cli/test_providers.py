"""`tuneloop providers`: settings in the table, keys in SSM alone, and neither where it doesn't belong."""

import os
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from typer.testing import CliRunner, Result

from tuneloop.app import app, utc_now
from tuneloop.cli.commands import cli
from tuneloop.domain.core.errors import Conflict, InvalidInput, NotFound
from tuneloop.domain.serving.models import new_model
from tuneloop.domain.training.providers import RegisteredProvider

KEY, SECRET = "sk-of-an-azure-tenant", "whsec_b2Ygd2ViaG9va3M="
URL = "https://acme.openai.azure.com/openai/v1/"
Command = Callable[..., Result]


@pytest.fixture
def run(request: pytest.FixtureRequest) -> Command:
    request.getfixturevalue("world")

    def ran(*words: str, typed: str = f"{KEY}\n{SECRET}\n") -> Result:
        return CliRunner().invoke(cli, ["providers", *words, "--stage", os.environ["TUNELOOP_STAGE"]], input=typed)

    return ran


def stored(name: str) -> Any:
    return boto3.client("ssm").get_parameter(Name=name, WithDecryption=True)["Parameter"]


def test_a_provider_is_known_to_its_stage_without_a_deploy(run: Command) -> None:
    assert run("add", "azure", "--base-url", URL, "--training-type", "globalStandard").exit_code == 0

    found = app.providers.registration("azure")
    assert (found.base_url, found.training_type) == (URL.rstrip("/"), "globalStandard")
    assert app.secret(found.key_parameter) == KEY
    assert stored("/tuneloop/test/providers/azure/key")["Type"] == "SecureString"
    assert "azure" in run("list").output


@pytest.mark.parametrize("command", ["show", "list"])
def test_a_key_is_never_shown(command: str, run: Command) -> None:
    added = run("add", "azure", "--base-url", URL, "--webhook-secret")
    shown = run(command, *(["azure"] if command == "show" else []))

    assert (added.exit_code, shown.exit_code) == (0, 0)
    for output in (added.output, shown.output):
        assert KEY not in output
        assert SECRET not in output
    row = app.table.client.get_item(TableName=app.table.name, Key={"pk": {"S": "PROVIDERS"}, "sk": {"S": "azure"}})
    assert KEY not in str(row["Item"])
    assert SECRET not in str(row["Item"])
    assert stored("/tuneloop/test/providers/azure/webhook-secret")["Value"] == SECRET


def test_adding_again_changes_it_and_keeps_what_is_not_said(run: Command) -> None:
    run("add", "azure", "--base-url", URL, "--webhook-secret")

    assert "changed" in run("add", "azure", "--base-url", "https://other.example/v1", typed="another-key\n").output

    found = app.provider_rows.find("azure")
    assert found
    assert (found.base_url, found.webhook_parameter) == (
        "https://other.example/v1",
        "/tuneloop/test/providers/azure/webhook-secret",
    )
    assert app.secret(found.key_parameter) == "another-key"


def test_removing_one_takes_its_key_with_it(run: Command) -> None:
    run("add", "azure", "--base-url", URL, "--webhook-secret")

    assert run("remove", "azure").exit_code == 0

    assert app.provider_rows.find("azure") is None
    assert app.secret("/tuneloop/test/providers/azure/key") is None
    assert app.secret("/tuneloop/test/providers/azure/webhook-secret") is None
    for words in (("show", "azure"), ("remove", "azure")):
        assert isinstance(run(*words).exception, NotFound)


@pytest.mark.parametrize(
    "words",
    [
        ("azure", "--base-url", "http://acme.example/v1"),
        ("azure", "--base-url", "ftp://localhost/v1"),
        ("azure", "--base-url", "https://user:word@acme.example/v1"),
        ("azure", "--base-url", "https://:word@acme.example/v1"),
        ("azure", "--base-url", "https://@acme.example/v1"),
        ("azure", "--base-url", "https://[bad/v1"),
        ("azure", "--base-url", "https://localhost/v1"),
        ("azure", "--base-url", "https://169.254.169.254/latest"),
        ("azure", "--base-url", "https://acme.example/v1?key=1"),
        ("azure", "--base-url", ""),
        ("Azure", "--base-url", URL),
        ("a/b", "--base-url", URL),
        ("bedrock",),
        ("aws", "--kind", "bedrock"),
    ],
    ids=str,
)
def test_what_cannot_be_reached_or_would_show_the_key_is_refused_unasked(words: tuple[str, ...], run: Command) -> None:
    assert isinstance(run("add", *words).exception, InvalidInput)

    assert list(app.provider_rows.all()) == []
    assert app.secret("/tuneloop/test/providers/azure/key") is None


@pytest.mark.parametrize("url", ["http://localhost:4570/v1", "http://127.0.0.1:4570/v1", "http://[::1]:4570/v1"])
def test_a_server_on_this_machine_is_for_the_local_stage(
    url: str, run: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(run("add", "here", "--base-url", url).exception, InvalidInput)

    monkeypatch.setenv("TUNELOOP_STAGE", "local")

    assert run("add", "here", "--base-url", url).exit_code == 0


@pytest.mark.parametrize(("outputs", "exit_code"), [({"IsEmulated": "true"}, 0), ({"IsEmulated": "false"}, 1), ({}, 1)])
def test_an_emulated_stage_of_any_name_takes_a_provider_on_this_machine(
    outputs: dict[str, str], exit_code: int, run: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {"TableName": app.table.name, "Provider": "openai", **outputs}
    monkeypatch.setattr("tuneloop.cli.stage._outputs", lambda _: told)
    monkeypatch.setenv("TUNELOOP_STAGE", "try")
    monkeypatch.delenv("TUNELOOP_TABLE")

    added = run("add", "here", "--base-url", "http://127.0.0.1:4570/v1")

    assert added.exit_code == exit_code, added.output


def test_a_secret_in_an_address_is_neither_stored_nor_shown(run: Command) -> None:
    refused = run("add", "azure", "--base-url", "https://:sk-secret@acme.example/v1")
    old = RegisteredProvider(name="old", base_url="https://u:sk-secret@acme.example/v1", key_parameter="/old/key")
    app.provider_rows.save(old)

    outputs = [str(refused.exception), refused.output, run("list").output, run("show", "old").output]

    assert not any("sk-secret" in output for output in outputs)
    assert "//…@acme.example/v1" in outputs[3]


@pytest.mark.parametrize("typed", ["\n", "two words\n", "k" * 5000 + "\n", "schlüssel\n"])
def test_what_is_no_key_is_not_stored(typed: str, run: Command) -> None:
    refused = run("add", "azure", "--base-url", URL, typed=typed)

    assert isinstance(refused.exception, InvalidInput)
    assert typed.strip() == "" or typed.strip() not in refused.output
    assert app.provider_rows.find("azure") is None


def test_the_stage_s_own_provider_is_not_added_over(run: Command) -> None:
    added = run("add", "trainer", "--base-url", URL)

    assert isinstance(added.exception, InvalidInput)
    assert stored("/tuneloop/test/providers/trainer/key")["Value"] == "test-key"


def test_a_provider_that_serves_is_removed_only_by_force(run: Command) -> None:
    run("add", "azure", "--base-url", URL)
    app.tenants.ensure("acme", utc_now())
    app.models.register(new_model("acme", "support", "azure", "gpt-4o", utc_now()))

    kept = run("remove", "azure")

    assert isinstance(kept.exception, Conflict)
    assert "acme/support" in str(kept.exception)
    assert app.providers.registration("azure")
    assert run("remove", "azure", "--force").exit_code == 0
