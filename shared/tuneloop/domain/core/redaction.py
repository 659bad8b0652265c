"""Redaction: which texts of a user or a provider may be repeated in an error, a row or a log.

One plain word is a code or a field's name; anything else could be a sentence, and a sentence could be content.
"""

import re

PLAIN = re.compile(r"[\w.-]{1,64}", re.ASCII)  # as long as the longest name of a function in OpenAI's API
MODEL = re.compile(r"[\w.:/@+-]{1,300}", re.ASCII)  # `ft:…`, `org/model`, ARNs: one word without a space
UNUSUAL = "(unusual name)"


def safe_code(value: object) -> str | None:
    """The value if it is one plain word (1-64 letters, digits and `_.-`), else None."""
    return value if isinstance(value, str) and PLAIN.fullmatch(value) else None


def safe_name(value: object) -> str:
    """The name if it is one plain word (1-64 letters, digits and `_.-`), else `(unusual name)`."""
    return safe_code(str(value)) or UNUSUAL


def safe_model_id(value: str) -> str:
    """A provider's model id if it is one word, which may hold `:/@+` too, else `(unusual name)`."""
    return value if MODEL.fullmatch(value) else UNUSUAL
