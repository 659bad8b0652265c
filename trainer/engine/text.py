"""Conversations as the engine reads them: the message to answer, the turns around it, and their n-grams.

System prompts are left out: they instruct an untrained model, while a trained one has learned its task from examples.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

# Bounds the time of one answer: of a longer message, or of longer turns around it, only the end is read.
READ_CHARS = 32_768
GRAM_SIZES = (2, 3, 4)  # characters
WORDS, CHARS, EARLIER = "w", "c", "e"  # the first character of an n-gram names its block

_TOKEN = re.compile(r"[^\W_]+|[^\w\s]+|_+")
_INSTRUCTIONS = frozenset({"system", "developer"})


class Turn(NamedTuple):
    """One message of a conversation: its role and its text."""

    role: str
    text: str


@dataclass(frozen=True, slots=True)
class Question:
    """The message to answer (the user's last turn), and the text of all other turns (`earlier`)."""

    message: str
    earlier: str = ""


def question_in(turns: Sequence[Turn]) -> Question:
    """Return the question of a conversation: its last user turn, or its last turn if it has none of a user."""
    dialogue = [turn for turn in turns if turn.role not in _INSTRUCTIONS]
    position = max((at for at, turn in enumerate(dialogue) if turn.role == "user"), default=len(dialogue) - 1)
    if position < 0:
        return Question("")
    earlier = " ".join(turn.text for at, turn in enumerate(dialogue) if at != position)
    return Question(dialogue[position].text[-READ_CHARS:], earlier[-READ_CHARS:])


def instructions_in(turns: Sequence[Turn]) -> str:
    """Return the system and developer messages of a conversation as one text."""
    return "\n\n".join(turn.text for turn in turns if turn.role in _INSTRUCTIONS)


def tokens_of(text: str) -> list[str]:
    """Split a text into lower-case words and runs of punctuation; underscores separate words, as spaces do."""
    return [token for token in _TOKEN.findall(text.lower()) if token[0] != "_"]


def char_grams(token: str) -> list[str]:
    """Return the character n-grams of a word; spaces mark its start and end."""
    padded = f" {token} "
    return [CHARS + padded[at : at + size] for size in GRAM_SIZES for at in range(len(padded) - size + 1)]


def word_grams(tokens: Sequence[str]) -> Iterator[str]:
    """Yield the words, then the pairs of adjacent words."""
    for token in tokens:
        yield WORDS + token
    for first, second in pairwise(tokens):
        yield f"{WORDS}{first} {second}"


def earlier_grams(question: Question) -> Iterator[str]:
    """Yield the words of the turns around a question."""
    for token in tokens_of(question.earlier):
        yield EARLIER + token
