"""Ids in OpenAI's style, and the time in its unit, whole seconds since 1970."""

import hashlib
import secrets
import time


def now_s() -> int:
    """Return the current time in seconds since 1970."""
    return int(time.time())


def new_id(prefix: str) -> str:
    """Return a new random id."""
    return f"{prefix}-{secrets.token_hex(12)}"


def id_for(prefix: str, *parts: str) -> str:
    """Return the id of something that a crash may cause to be made twice; equal parts give equal ids."""
    return f"{prefix}-{hashlib.blake2b(chr(0).join(parts).encode(), digest_size=12).hexdigest()}"
