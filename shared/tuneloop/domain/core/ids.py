"""Ids: what a name may look like, ids made from what they stand for, and hashes of tenants and users.

A derived id is the same whenever its parts are the same, so asking twice finds the first answer instead of making a
second one. No id holds a separator (`#`, `/`, `:`), so keys and paths built from ids can't run into each other. Where
an id says whose it is, it names tenant and user by hashes, which don't tell who they are.
"""

import hashlib
import re
from typing import Annotated

from pydantic import StringConstraints

from tuneloop.domain.core.errors import InvalidInput

PATTERN = r"^[a-z0-9][a-z0-9-]{0,62}$"
EXAMPLE_PATTERN = r"^[0-9a-f]{64}$"  # an example is named by its hash
Name = Annotated[str, StringConstraints(pattern=PATTERN)]


def digest(*parts: object) -> str:
    """SHA-256 in hex of the parts, each preceded by its length so that no two lists of parts are hashed alike."""
    return _hash(parts).hexdigest()


def derived_id(prefix: str, *parts: object) -> str:
    """`{prefix}-{24 hex digits}`, the digits from the parts' digest."""
    # 96 bits: two ids of a tenant collide by chance with less than 1 in 10^9 even among 10^9 of them.
    return f"{prefix}-{digest(*parts)[:24]}"


def checked_name(value: str, what: str) -> str:
    """The name itself; InvalidInput, with `what` as its parameter, where it isn't one that is allowed."""
    if re.fullmatch(PATTERN, value) is None:
        rule = "1-63 lower-case letters, digits and hyphens, starting with a letter or digit"
        raise InvalidInput(f"{what} must be {rule}.", param=what, code="invalid_name")
    return value


def unit_interval(*parts: object) -> float:
    """A number in [0, 1) fixed by the parts and evenly spread: splits and traffic shares choose by it, without dice."""
    # 13 hex digits are the 52 bits that a float holds exactly, so that the result never rounds up to 1.
    return (int.from_bytes(_hash(parts).digest()[:7]) >> 4) / 16**13


def _hash(parts: tuple[object, ...]) -> "hashlib._Hash":
    text = "".join([f"{len(text)}:{text}" for text in map(str, parts)])
    return hashlib.sha256(text.encode("utf-8", "surrogatepass"))  # of any text, one with half a surrogate pair too


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
