"""What an operator types that can't be is refused in a sentence, before anything is asked or made."""

import subprocess
import sys

import pytest

from infra.stage import ROOT
from ops.console import CommandRefused, spoken
from ops.deploy import main as deploy
from ops.smoke.options import smoke_arguments


def given(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["smoke", "--stage=try", *arguments])


@pytest.mark.parametrize("minutes", ["-1", "0", "nan", "inf", "soon", "1e9", ""])
def test_a_time_that_nobody_can_wait_is_refused(monkeypatch: pytest.MonkeyPatch, minutes: str) -> None:
    given(monkeypatch, f"--timeout={minutes}")

    with pytest.raises(CommandRefused, match=f"TIMEOUT={minutes}: it has to be minutes"):
        smoke_arguments()


@pytest.mark.parametrize("cap", ["-1", "nan", "Infinity", "a lot", "$2"])
def test_a_cap_that_is_no_amount_is_refused(monkeypatch: pytest.MonkeyPatch, cap: str) -> None:
    given(monkeypatch, f"--cap={cap}")

    with pytest.raises(CommandRefused, match="is no amount of dollars"):
        smoke_arguments()


def test_what_can_be_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, "--cap=0.5", "--timeout=1.5")

    taken = smoke_arguments()

    assert (str(taken.cap), taken.timeout) == ("0.5", 1.5)


@pytest.mark.parametrize("name", ["Try", "-x", "prod-eu"])
def test_a_stage_that_can_t_be_is_told_in_words_of_make(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["deploy", f"--stage={name}"])

    assert spoken(deploy) == 1

    [said] = capsys.readouterr().err.splitlines()
    assert f"There can't be a stage '{name}': STAGE=prod" in said
    assert "-c stage" not in said


@pytest.mark.parametrize("target", ["deploy", "destroy", "provider-key", "smoke", "stop", "start", "restore"])
def test_make_hands_on_a_name_that_looks_like_an_option(target: str) -> None:
    command = ["make", "--dry-run", target, "STAGE=-x"]
    planned = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert '--stage="-x"' in planned
