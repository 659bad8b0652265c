"""Facts: what of an example is hashed and counted once, when it is collected, so that nobody has to parse it again.

Two examples with the same `unit` ask the same thing; with the same `answer` they say the same thing; with the same
`normal` they are the same conversation but for letter case and white space. Each is the first 64 bits of a SHA-256.
"""

from typing import NamedTuple

from tuneloop.domain.examples import Example, JsonObject, canonical, text_of
from tuneloop.domain.ids import digest
from tuneloop.domain.splitting import said_in, spoken_in, unit_of

HASH_DIGITS = 16


class Facts(NamedTuple):
    """An example's hashes, 16 hex digits each, and the length of what its users say, in characters."""

    unit: str
    answer: str
    normal: str
    characters: int


def facts_of(example: Example) -> Facts:
    """The facts of one example."""
    tools = canonical(example.content.get("tools") or [])
    parts = [*(f"{message['role']}:{_spoken(message)}" for message in example.messages), tools]
    if rejected := example.content.get("non_preferred_output"):
        parts += [f"not:{_spoken(message)}" for message in rejected]
    return Facts(
        unit=unit_of(example)[:HASH_DIGITS],
        answer=digest(_squeezed(example.answer))[:HASH_DIGITS],
        normal=digest(" ".join(parts).casefold())[:HASH_DIGITS],
        characters=sum(len(text_of(message)) for message in example.prompt if message["role"] == "user"),
    )


def prompt_text(example: Example) -> str:
    """What comes before the answer as one text, system messages left out: what makes two examples alike."""
    return " ".join(said_in(message) for message in spoken_in(example))


def _spoken(message: JsonObject) -> str:
    calls = {name: message[name] for name in ("tool_calls", "function_call", "tool_call_id") if message.get(name)}
    return f"{said_in(message)} {canonical(calls)}" if calls else said_in(message)


def _squeezed(text: str) -> str:
    return " ".join(text.split()).casefold()
