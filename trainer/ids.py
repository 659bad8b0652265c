"""Ids in OpenAI's style and the time in its unit, whole seconds since 1970."""

import hashlib
import secrets
import time


def now_s() -> int:
    """Return the time."""
    return int(time.time())


def new_id(prefix: str) -> str:
    """Make an id nobody has."""
    return f"{prefix}-{secrets.token_hex(12)}"


def id_for(prefix: str, *parts: str) -> str:
    """Make the id of something that may be made again after a crash: the same parts give the same id."""
    return f"{prefix}-{hashlib.blake2b(chr(0).join(parts).encode(), digest_size=12).hexdigest()}"
