"""The smoke test as its operator runs it, against the deployed local stack."""

import os
import subprocess
import sys

from infra.functions import FUNCTIONS
from local.stack import ROOT, LocalStack


def test_the_smoke_test_closes_the_loop_and_finds_every_function_at_work(stack: LocalStack) -> None:
    env = {**os.environ, **stack.environment(), "TUNELOOP_BASE_URL": stack.base_url, "COLUMNS": "160"}
    command = [sys.executable, "-m", "ops", "smoke", "--stage", "local", "--yes"]

    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    for spec in FUNCTIONS:
        [row] = [line.split() for line in lines if line.strip().startswith(f"{spec.name} ")]
        assert int(row[1]) > 0
        assert row[2] == "ok"
    assert "  total       $0.0000" in lines
    assert "Stage local works." in lines
    assert "tl_" not in done.stdout
