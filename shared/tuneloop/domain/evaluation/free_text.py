"""Free text: expected answers that no other answer is equal to, so that exact comparison says nothing about them.

An answer is free text if it holds a phrase of several words and no other row expects the same. Numbers, ids, labels and
short names are not: of them an exact comparison says who is right, however different they are.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from tuneloop.domain.chat.messages import CALLS

# From four words on a text can be said in other words. Ids, numbers, dates, amounts and most names and labels have
# fewer; a token with a digit in it is none. Short chats ("sure, see you at five then") have more.
FEWEST_WORDS = 4
# Chinese, Japanese, Thai, Lao, Khmer and Burmese put no spaces between words; two of their letters count as a word.
UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
LETTERS_PER_WORD = 2


def count_free_text(expected: Iterable[str]) -> int:
    """How many of the expected answers are free text: a phrase of several words, expected of no other row."""
    times = Counter(" ".join(answer.split()).casefold() for answer in expected)
    return sum(1 for answer, rows in times.items() if rows == 1 and has_phrase(answer))


def has_phrase(answer: str) -> bool:
    """Whether an answer, or a text inside its JSON or its tool calls, is a phrase of several words."""
    return any(_words(text) >= FEWEST_WORDS for text in _texts(answer.removeprefix(CALLS)))


def _texts(answer: str) -> Iterator[str]:
    """The texts of a JSON answer, else the answer itself."""
    try:
        value = json.loads(answer)
    except (ValueError, RecursionError):  # no JSON, or too deep to be read
        yield answer
        return
    waiting: list[Any] = [value]
    while waiting:
        match waiting.pop():
            case str() as text:
                yield text
            case dict() as part:
                waiting += part.values()
            case list() as part:
                waiting += part


def _words(text: str) -> int:
    """The words of a text; tokens with a digit in them, or without a letter, are none."""
    spaced = sum(1 for token in text.split() if any(map(str.isalpha, token)) and not any(map(str.isdigit, token)))
    return max(spaced, len(UNSPACED.findall(text)) // LETTERS_PER_WORD)
