"""The command's way in: without its extra it says what to install, and it works in the region that was named."""

import subprocess
import sys

import boto3
import pytest

from tuneloop import cli
from tuneloop.app import App

WITHOUT = "import sys; sys.modules[{!r}] = None; from tuneloop.cli import main; main()"


@pytest.mark.parametrize("missing", ["rich", "typer"])
def test_without_its_extra_the_command_says_what_to_install(missing: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT.format(missing)], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"The tuneloop command needs {missing}, which an app doesn't: pip install 'tuneloop[cli]'"
    ]


def test_a_library_of_ours_that_is_missing_is_not_taken_for_the_extra() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT.format("pydantic")], capture_output=True, text=True, timeout=60, check=False
    )

    assert "ModuleNotFoundError" in done.stderr


def test_the_command_works_in_the_region_that_aws_region_names(
    stage: App, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for queue in ("examples", "examples-dead"):
        boto3.client("sqs", region_name="eu-central-1").create_queue(
            QueueName=f"tuneloop-{stage.settings.stage}-{queue}"
        )
    monkeypatch.setattr("tuneloop.cli.redrive.WAIT_S", 0)  # moto has one server: there are no others to wait for
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
    command = ["tuneloop", "redrive", "--queue", "examples", "--dry-run", "--stage", stage.settings.stage]
    monkeypatch.setattr(sys, "argv", command)

    with pytest.raises(SystemExit) as ended:
        cli.main()

    assert ended.value.code == 0
    assert "No dead letters." in capsys.readouterr().out
