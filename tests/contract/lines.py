"""What the contract's jobs are trained on: questions with one of two answers, as OpenAI's format has them."""

import json

from tests.examples import chat

ANSWERS = ("late", "refund")
WORDS = ("My parcel has not come and the tracking stands still", "I want my money back for what I sent back")


def lines(numbers: range) -> bytes:
    """A file of so many conversations."""
    rows = (chat(f"{WORDS[n % 2]}, order {n}.", ANSWERS[n % 2], "Name the topic.") for n in numbers)
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


LINES = lines(range(40))
UNSEEN = lines(range(40, 52))
