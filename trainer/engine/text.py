"""Conversations as the engine reads them: the message to be answered, and the other turns around it.

System prompts are left out: they tell an untrained model what to do, and a trained one has learnt it.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

# Bounds what one message costs to read: of a longer one, or a longer conversation, the end is read.
READ_CHARS = 32_768
GRAM_SIZES = (2, 3, 4)
WORDS, CHARS, EARLIER = "w", "c", "e"  # the first character of an n-gram says what it is of

_TOKEN = re.compile(r"[^\W_]+|[^\w\s]+|_+")
_INSTRUCTIONS = frozenset({"system", "developer"})


class Turn(NamedTuple):
    """One message of a conversation: its role and its text."""

    role: str
    text: str


@dataclass(frozen=True, slots=True)
class Question:
    """The message to be answered (the user's last turn), and the text of every other turn (`earlier`)."""

    message: str
    earlier: str = ""


def question_in(turns: Sequence[Turn]) -> Question:
    """Find the question of a conversation: its last user turn, or its last turn where no user speaks."""
    spoken = [turn for turn in turns if turn.role not in _INSTRUCTIONS]
    at_question = max((at for at, turn in enumerate(spoken) if turn.role == "user"), default=len(spoken) - 1)
    if at_question < 0:
        return Question("")
    around = " ".join(turn.text for at, turn in enumerate(spoken) if at != at_question)
    return Question(spoken[at_question].text[-READ_CHARS:], around[-READ_CHARS:])


def instructions_in(turns: Sequence[Turn]) -> str:
    """Join the system and developer prompts of a conversation."""
    return "\n\n".join(turn.text for turn in turns if turn.role in _INSTRUCTIONS)


def tokens_of(text: str) -> list[str]:
    """Split a text into lower-case words and runs of punctuation; an underscore separates, as a space does."""
    return [token for token in _TOKEN.findall(text.lower()) if token[0] != "_"]


def char_grams(token: str) -> list[str]:
    """List the runs of 2 to 4 characters of a word, its two edges marked by spaces."""
    padded = f" {token} "
    return [CHARS + padded[at : at + size] for size in GRAM_SIZES for at in range(len(padded) - size + 1)]


def word_grams(tokens: Sequence[str]) -> Iterator[str]:
    """List the words and the pairs of neighbouring words."""
    for token in tokens:
        yield WORDS + token
    for first, second in pairwise(tokens):
        yield f"{WORDS}{first} {second}"


def earlier_grams(question: Question) -> Iterator[str]:
    """List the words of the turns around the question."""
    for token in tokens_of(question.earlier):
        yield EARLIER + token
