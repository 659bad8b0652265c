"""Waits for what the deployed stack does by itself, on a machine that may be busy with other tests."""

import time
from collections.abc import Callable
from typing import Any

from tuneloop.cli.api import ApiRefusal

GATEWAY_GAVE_UP = "http_503"  # the gateway's own word, not in our shape: the function behind it took over 30 s


def soon(look: Callable[[], Any], seconds: float = 180) -> Any:
    """What `look` gives as soon as it gives something; on a machine too busy to answer in time it is asked again."""
    deadline = time.monotonic() + seconds
    while not (found := _unless_too_busy(look)):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.2)
    return found


def _unless_too_busy(look: Callable[[], Any]) -> Any:
    try:
        return look()
    except ApiRefusal as refusal:
        if refusal.code != GATEWAY_GAVE_UP:
            raise
        return None
