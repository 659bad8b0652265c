"""Options of the command line that are numbers: whole ones, in plain digits."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tuneloop.cli.commands import cli
from tuneloop.domain.core.errors import InvalidInput

BAD = ["1_0", " 10", "+10", "010", "1.0", "1e1", "\uff11\uff10", "-0", "ten", "", "0", "-1"]


def run(*words: str) -> Result:
    told = {"TUNELOOP_BASE_URL": "http://127.0.0.1:9/v1", "TUNELOOP_API_KEY": "x", "COLUMNS": "160"}
    return CliRunner().invoke(cli, list(words), env=told)


@pytest.mark.parametrize("given", BAD)
def test_what_is_no_whole_number_is_refused_by_its_option(given: str, tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text("{}")
    of_files = (("validate", str(file), "--processes"), ("estimate", str(file), "--calls"))
    for words in (("runs", "list", "--limit"), *of_files):
        refused = run(*words, given)

        assert refused.exit_code == 2
        assert words[-1] in refused.output
        assert "it must be a whole number" in refused.output


def test_a_whole_number_has_its_bounds() -> None:
    assert "from 1 to 100" in run("runs", "list", "--limit", "101").output
    assert run("runs", "list", "--limit", "100").exit_code == 1  # nobody answers there


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize("given", ["-0", "1_0", "NaN", "1e2", " 5", "+5", "\uff15", "05", "1.", "1.001"])
def test_a_budget_is_plain_dollars_and_cents(given: str) -> None:
    refused = run("budget", "acme", f"--monthly-usd={given}", "--stage", "test")

    assert isinstance(refused.exception, InvalidInput)
    assert "--monthly-usd must be an amount in dollars" in str(refused.exception)
