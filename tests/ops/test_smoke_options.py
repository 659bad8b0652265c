"""What an operator types that can't be is refused in a sentence, before anything is asked or made."""

import subprocess

import pytest

from infra.stage import ROOT
from ops.console import CommandRefused
from ops.smoke.command import SmokeOptions
from tests.ops.conftest import operate


def options(*, cap: str = "1.00", timeout: str = "120") -> SmokeOptions:
    return SmokeOptions.of(cap=cap, timeout=timeout, unpriced=False, yes=False)


@pytest.mark.parametrize("minutes", ["-1", "0", "nan", "inf", "soon", "1e9", ""])
def test_a_time_that_nobody_can_wait_is_refused(minutes: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert operate("smoke", "--stage=try", f"--timeout={minutes}") == 1

    assert f"TIMEOUT={minutes}: it has to be minutes" in capsys.readouterr().err


@pytest.mark.parametrize("cap", ["-1", "nan", "Infinity", "a lot", "$2"])
def test_a_cap_that_is_no_amount_is_refused(cap: str) -> None:
    with pytest.raises(CommandRefused, match="is no amount of dollars"):
        options(cap=cap)


def test_what_can_be_is_taken() -> None:
    taken = options(cap="0.5", timeout="1.5")

    assert (str(taken.cap), taken.timeout_minutes) == ("0.5", 1.5)


@pytest.mark.parametrize("name", ["Try", "-x", "prod-eu"])
def test_a_stage_that_can_t_be_is_told_in_words_of_make(capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert operate("deploy", f"--stage={name}") == 1

    [said] = capsys.readouterr().err.splitlines()
    assert f"There can't be a stage '{name}': STAGE=prod" in said
    assert "-c stage" not in said


@pytest.mark.parametrize("target", ["deploy", "destroy", "provider-key", "smoke", "stop", "start", "restore"])
def test_make_hands_on_a_name_that_looks_like_an_option(target: str) -> None:
    command = ["make", "--dry-run", target, "STAGE=-x"]
    planned = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert '--stage="-x"' in planned
