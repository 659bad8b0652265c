"""An account to try a release on: MiniStack in an interpreter without our libraries, and the trainer as provider."""

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from local.ministack import Aws, start_ministack
from local.process import only_one, termination_unwinds
from local.stack import ROOT, start_proxy
from local.trainer import START_TIMEOUT_S, Trainer, start_trainer
from tests.ops.bare import bare_interpreter

MACHINES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}
SETTINGS = {
    "provider": "trainer",
    "base_model": "tuneloop-linear-1",
    "architecture": MACHINES.get(platform.machine().lower(), "arm64"),
    "settle_s": 2,
    "refresh_after_s": 1,
    "uses_bootstrap_roles": False,
    "enforces_ssl": False,
}


@dataclass
class Trial:
    """The account, and the commands of an operator who is signed in to it."""

    aws: Aws
    trainer: Trainer
    directory: Path
    cleanup: ExitStack
    base_url: str = ""

    def run(self, command: str, *arguments: str, typed: str = "", stage: str = "try") -> tuple[int, str]:
        """The exit status and all output of `python -m ops {command}`."""
        not_ours = ("AWS_", "TUNELOOP_", "CDK_")
        ours = {key: value for key, value in os.environ.items() if not key.startswith(not_ours)}
        env = {**ours, **self.aws.environment(), "TUNELOOP_STAGES": str(self.directory / "stages"), "COLUMNS": "160"}
        env |= {"NO_PROXY": "127.0.0.1", "PYTHONPATH": os.pathsep.join(("shared", "functions", "."))}
        env |= {"TUNELOOP_BASE_URL": self.base_url} if self.base_url else {}
        finished = subprocess.run(
            [sys.executable, "-m", "ops", command, *(("--stage", stage) if stage else ()), *arguments],
            cwd=ROOT,
            env=env,
            input=typed,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        return finished.returncode, finished.stdout

    def open_the_door(self) -> None:
        """Make the API reachable under an address, as AWS's names do by themselves."""
        stacks = self.aws.client("cloudformation").describe_stacks(StackName="tuneloop-try")["Stacks"]
        outputs = {output["OutputKey"]: output["OutputValue"] for output in stacks[0]["Outputs"]}
        self.base_url, proxy = start_proxy(self.aws, outputs["ApiId"], self.directory)
        self.cleanup.callback(proxy.stop)


@contextmanager
def trial(directory: Path) -> Iterator[Trial]:
    """An empty account with its provider, gone at the end."""
    with ExitStack() as cleanup:
        cleanup.enter_context(termination_unwinds())
        cleanup.enter_context(only_one(directory))
        shutil.rmtree(directory, ignore_errors=True)
        trainer, process = start_trainer(directory)
        cleanup.callback(process.stop)
        aws, ministack = start_ministack(directory, bare_interpreter(directory / "bare"))
        cleanup.callback(ministack.stop)
        process.wait_until(trainer.is_ready, START_TIMEOUT_S)
        settings = {**SETTINGS, "provider_base_url": trainer.base_url}
        (directory / "stages").mkdir()
        (directory / "stages" / "try.json").write_text(json.dumps(settings))
        yield Trial(aws, trainer, directory, cleanup)
