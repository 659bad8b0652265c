"""Subjects: the persons whom examples and answers come from, known by hashes that name nobody."""

import re

from tuneloop.domain.core.ids import digest

NO_USER = "0"
HASHED_PREFIX = "user:"  # of a subject that is only known by its hash
HASH = re.compile("[0-9a-f]{12}")


def tenant_hash(tenant: str) -> str:
    """Eight hex digits of a tenant, which tie an inference id to the tenant without naming it."""
    # 32 bits tell an id of another tenant; it is the API key that decides whose data is read.
    return digest("tenant", tenant)[:8]


def user_hash(tenant: str, user: str | None) -> str:
    """Twelve hex digits of a user within a tenant; `0` for a call without a user."""
    # 48 bits: among a million users of a tenant, two share a hash with a chance of 0.2%.
    return digest("user", tenant, user)[:12] if user else NO_USER


def subject_of_hash(user: str) -> str:
    """The name `user:<hash>` of a subject of whom only the hash is known, as of an inference id."""
    return f"{HASHED_PREFIX}{user}"


def hash_of_subject(subject: str) -> str | None:
    """The hash in a name that `subject_of_hash` made; None for any other subject."""
    hashed = subject.removeprefix(HASHED_PREFIX)
    return hashed if hashed != subject and HASH.fullmatch(hashed) else None
