"""Redaction: what of a user's or a provider's text may be repeated in an error, a row or a log.

One plain word is a code or a field's name; anything else could be a sentence, and sentences are content.
"""

import re

PLAIN = re.compile(r"[\w.-]{1,64}", re.ASCII)
MODEL = re.compile(r"[\w.:/@+-]{1,300}", re.ASCII)  # `ft:…`, `org/model`, ARNs: one word without a space
UNUSUAL = "(unusual name)"


def safe_code(value: object) -> str | None:
    """The value if it is one plain word, else None."""
    return value if isinstance(value, str) and PLAIN.fullmatch(value) else None


def safe_name(value: object) -> str:
    """The name if it is one plain word, else `(unusual name)`."""
    return safe_code(str(value)) or UNUSUAL


def safe_model_id(value: str) -> str:
    """A provider's model id if it is one word, with the signs that such ids have, else `(unusual name)`."""
    return value if MODEL.fullmatch(value) else UNUSUAL
