"""Fields: which keys an object may have, and what a name may look like."""

import re
from collections.abc import Iterable, Iterator

from tuneloop.domain.chat.messages import JsonObject
from tuneloop.domain.chat.rules import Violation
from tuneloop.domain.core.redaction import safe_name

# What OpenAI takes, read 2026-11: in a message's name no sign that could end it, in a function's letters and digits.
NAME = r"\A[^\s<|\\/>]{1,64}\Z"
FUNCTION_NAME = r"\A[a-zA-Z0-9_-]{1,64}\Z"
SPEAKER_RULE = "`name` must be 1 to 64 characters without white space and without any of < > | / \\."
FUNCTION_RULE = "`name` must be 1 to 64 letters, digits, underscores and hyphens."


def unknown_keys(path: str, given: JsonObject, known: Iterable[str], what: str) -> Iterator[Violation]:
    """A violation for each key of an object that isn't among the known ones; `what` names such an object."""
    for key in sorted(given.keys() - set(known)):
        yield f"{path}.{safe_name(key)}", "unknown_key", f"{what} may have {quoted_names(known)}, and no other key."


def is_name(value: object, pattern: str = NAME) -> bool:
    """Whether a value is a text that matches the pattern."""
    return isinstance(value, str) and re.search(pattern, value) is not None


def quoted_names(names: Iterable[str]) -> str:
    """Names in backticks, parted by commas, for a message."""
    return ", ".join(f"`{name}`" for name in names)
