"""Subjects: the persons that examples and answers come from, told apart by hashes that name nobody."""

import re

from tuneloop.domain.core.ids import digest

NO_USER = "0"
UNNAMED = "user:"
HASH = re.compile("[0-9a-f]{12}")


def tenant_hash(tenant: str) -> str:
    """Eight hex digits that tie an inference id to its tenant without naming it."""
    return digest("tenant", tenant)[:8]


def user_hash(tenant: str, user: str | None) -> str:
    """Twelve hex digits for a user within a tenant, `0` for none."""
    return digest("user", tenant, user)[:12] if user else NO_USER


def subject_of_hash(user: str) -> str:
    """The subject of whom nothing but the hash is known."""
    return f"{UNNAMED}{user}"


def hash_of_subject(subject: str) -> str | None:
    """The hash of a subject of whom nothing else is known."""
    found = subject.removeprefix(UNNAMED)
    return found if found != subject and HASH.fullmatch(found) else None
