"""What `make local` prints once the stack is up."""

from collections import defaultdict

from local.__main__ import usage


def test_a_run_is_followed_before_its_model_is_asked() -> None:
    lines = [line.split() for line in usage(defaultdict(str)).splitlines()]
    commands = [" ".join(words[1:3]) for words in lines if words[:1] == ["tuneloop"]]

    assert commands == ["drop local", "runs list", "runs watch", "chat support"]
