"""Ids: what a name may look like, ids derived from what they stand for, and hashes of tenants and users.

Equal parts give an equal derived id, so asking twice finds the first answer instead of making a second one. No id holds
a separator (`#`, `/`, `:`), so keys and paths built from ids can't collide. An id that says whose it is names tenant
and user by hashes, which don't reveal who they are.
"""

import hashlib
import re
from typing import Annotated

from pydantic import StringConstraints

from tuneloop.domain.core.errors import InvalidInput

# Names are at most as long as a label of a host name (63), so that a name may stand as it is in a key, a path or a URL.
PATTERN = r"^[a-z0-9][a-z0-9-]{0,62}$"
EXAMPLE_PATTERN = r"^[0-9a-f]{64}$"  # an example's id is a SHA-256 in hex
NO_USER = "0"  # in place of a user's hash, for a call that names no user
HASHED_PREFIX = "user:"  # before the hash of a subject of whom nothing but the hash is known
HASH = re.compile("[0-9a-f]{12}")  # a user's hash, as `user_hash` makes it

Name = Annotated[str, StringConstraints(pattern=PATTERN)]


def digest(*parts: object) -> str:
    """SHA-256 in hex of the parts, each preceded by its length so that two different lists never hash the same text."""
    return _hash(parts).hexdigest()


def derived_id(prefix: str, *parts: object) -> str:
    """`{prefix}-{24 hex digits}`, the digits from the parts' digest."""
    # 96 bits: two ids of a tenant collide by chance with less than 1 in 10^9 even among 10^9 of them.
    return f"{prefix}-{digest(*parts)[:24]}"


def checked_name(value: str, what: str) -> str:
    """The name, unchanged; InvalidInput, with `what` as its `param`, where the name doesn't match PATTERN."""
    if re.fullmatch(PATTERN, value) is None:
        rule = "1-63 lower-case letters, digits and hyphens, starting with a letter or digit"
        raise InvalidInput(f"{what} must be {rule}.", param=what, code="invalid_name")
    return value


def unit_interval(*parts: object) -> float:
    """A number in [0, 1) fixed by the parts and evenly spread: splits and traffic shares choose by it, without dice."""
    # 13 hex digits are the 52 bits that a float holds exactly, so that the result never rounds up to 1.
    return (int.from_bytes(_hash(parts).digest()[:7]) >> 4) / 16**13


def tenant_hash(tenant: str) -> str:
    """Eight hex digits of a tenant's digest, which tie an inference id to the tenant without naming it."""
    # 32 bits are enough to recognise another tenant's id: whose data is read is decided by the API key, not by them.
    return digest("tenant", tenant)[:8]


def user_hash(tenant: str, user: str | None) -> str:
    """Twelve hex digits of the digest of a tenant's user; `0` for a call without a user."""
    # 48 bits: among a million users of a tenant, any two share a hash with a chance of 0.2%.
    return digest("user", tenant, user)[:12] if user else NO_USER


def subject_of_hash(user: str) -> str:
    """The name `user:<hash>` of a subject of whom only the hash is known, as it stands in an inference id."""
    return f"{HASHED_PREFIX}{user}"


def hash_of_subject(subject: str) -> str | None:
    """The hash in a name that `subject_of_hash` made; None for any other subject."""
    hashed = subject.removeprefix(HASHED_PREFIX)
    return hashed if hashed != subject and HASH.fullmatch(hashed) else None


def _hash(parts: tuple[object, ...]) -> "hashlib._Hash":
    text = "".join([f"{len(text)}:{text}" for text in map(str, parts)])
    # A user's text may hold half a surrogate pair, which plain UTF-8 can't encode and which is hashed all the same.
    return hashlib.sha256(text.encode("utf-8", "surrogatepass"))
