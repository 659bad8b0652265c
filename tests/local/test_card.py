"""What `make local` prints and writes down once the stack is up."""

from collections import defaultdict
from pathlib import Path

import pytest

import local.__main__
from local.__main__ import usage
from local.process import only_one


def test_a_run_is_followed_before_its_model_is_asked() -> None:
    lines = [line.split() for line in usage(defaultdict(str)).splitlines()]
    commands = [" ".join(words[1:3]) for words in lines if words[:1] == ["tuneloop"]]

    assert commands == ["drop local", "runs list", "runs watch", "chat support"]


def test_a_second_stack_in_a_folder_is_refused_and_leaves_the_first_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    card = tmp_path / "local.json"
    card.write_text("{}")
    for name, path in (("DIRECTORY", tmp_path / "local"), ("CARD", card), ("VARIABLES", tmp_path / "local.env")):
        monkeypatch.setattr(local.__main__, name, path)

    with only_one(tmp_path / "local"):
        assert local.__main__.main() == 1

    assert "Another run is using" in capsys.readouterr().out
    assert card.exists()
