"""Words: what of somebody else's text may be repeated in a refusal, a row or a log: a code or a field's name.

A text of one plain word is a name; anything else could be a sentence, and sentences are content.
"""

import re

PLAIN = re.compile(r"[\w.-]{1,64}", re.ASCII)
MODEL = re.compile(r"[\w.:/@+-]{1,300}", re.ASCII)  # `ft:…`, `org/model`, ARNs: one word without a space
UNUSUAL = "(unusual name)"


def safe_code(value: object) -> str | None:
    """The value if it is one plain word."""
    return value if isinstance(value, str) and PLAIN.fullmatch(value) else None


def safe_name(value: object) -> str:
    """A name as it is where it is one plain word, else that it is none."""
    return safe_code(str(value)) or UNUSUAL


def safe_model_id(value: str) -> str:
    """The id of a provider's model as it is where it is one word as such ids are, else that it is none."""
    return value if MODEL.fullmatch(value) else UNUSUAL
