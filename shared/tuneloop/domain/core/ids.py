"""Ids: what a name may look like, and ids made from what they stand for.

A derived id is the same whenever its parts are the same, so asking twice finds the first answer instead of making a
second one. No id holds a separator (`#`, `/`, `:`), so keys and paths built from ids can't run into each other.
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
    """SHA-256 in hex over the parts, each led by its length so that no two lists of parts collide."""
    return _hash(parts).hexdigest()


def derived_id(prefix: str, *parts: object) -> str:
    """`{prefix}-{24 hex digits}` of the parts' digest."""
    return f"{prefix}-{digest(*parts)[:24]}"


def checked_name(value: str, what: str) -> str:
    """The name itself, or InvalidInput that says which names are allowed."""
    if re.fullmatch(PATTERN, value) is None:
        rule = "1-63 lower-case letters, digits and hyphens, starting with a letter or digit"
        raise InvalidInput(f"{what} must be {rule}.", param=what, code="invalid_name")
    return value


def unit_interval(*parts: object) -> float:
    """A number in [0, 1) fixed by the parts: how splits and traffic shares choose without dice."""
    return (int.from_bytes(_hash(parts).digest()[:7]) >> 4) / 16**13


def _hash(parts: tuple[object, ...]) -> "hashlib._Hash":
    text = "".join([f"{len(text)}:{text}" for text in map(str, parts)])
    return hashlib.sha256(text.encode("utf-8", "surrogatepass"))  # a hash of anything, half characters too
