"""The guide for scripts of OpenAI's: the script in it, run as its reader would, and what it says is printed."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "from-openai.md").read_text("utf-8")
SAMPLE = ROOT / "local" / "data" / "support.jsonl"
LINES = 300


def code_block(language: str) -> str:
    """The guide's first block of a language."""
    found = re.search(rf"^```{language}\n(.*?)^```$", GUIDE, re.M | re.S)
    assert found, f"the guide has no block of {language}"
    return found[1]


@contextmanager
def start_script(base_url: str, key: str, folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """The script as a process of its own, in a folder that holds its file; it is ended with the block."""
    lines = SAMPLE.read_text("utf-8").splitlines(keepends=True)[:LINES]
    (folder / "support.jsonl").write_text("".join(lines), "utf-8")
    (folder / "script.py").write_text(code_block("python"), "utf-8")
    told = {"TUNELOOP_BASE_URL": base_url, "TUNELOOP_API_KEY": key}
    with subprocess.Popen(
        [sys.executable, "script.py"],
        cwd=folder,
        env={**os.environ, **told},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as script:
        try:
            yield script
        finally:
            script.kill()
