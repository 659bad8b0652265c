"""Facts: what of an example is hashed and counted once, when it is collected, so that nobody has to parse it again.

Two examples with the same `unit` ask the same thing, with the same `frame` under the same system prompt and tools; with
the same `answer` they say the same thing; with the same `normal` they are the same conversation but for letter case,
white space, and the way in which an answer's JSON is written. Each is the first 64 bits of a SHA-256.
"""

from typing import NamedTuple

from tuneloop.domain.chat.examples import PROMPT_ROLES, Example, JsonObject, canonical, text_of
from tuneloop.domain.chat.json_texts import parse_json_text
from tuneloop.domain.core.ids import digest
from tuneloop.domain.exports.splits import folded_prompt, said_in

HASH_DIGITS = 16


class ExampleHashes(NamedTuple):
    """An example's hashes, 16 hex digits each, its prompt as one text, and the characters that its users say."""

    prompt: str
    unit: str
    frame: str
    answer: str
    normal: str
    characters: int


def example_hashes(example: Example) -> ExampleHashes:
    """The facts of one example."""
    tools = canonical(example.content.get("tools") or [])
    parts = [*(f"{message['role']}:{_spoken(message)}" for message in example.messages), tools]
    if rejected := example.content.get("non_preferred_output"):
        parts += [f"not:{_spoken(message)}" for message in rejected]
    prompt = folded_prompt(example)
    led = [message for message in example.prompt if message["role"] in PROMPT_ROLES]
    return ExampleHashes(
        prompt=prompt,
        unit=digest(prompt)[:HASH_DIGITS],
        frame=digest(_squeezed(" ".join([*map(text_of, led), tools])))[:HASH_DIGITS],
        answer=answer_hash(example.answer),
        normal=digest(" ".join(parts).casefold())[:HASH_DIGITS],
        characters=sum(len(text_of(message)) for message in example.prompt if message["role"] == "user"),
    )


def answer_hash(answer: str) -> str:
    """The hash of an answer, letters folded, white space squeezed, and JSON as the one text of its value."""
    return digest(_squeezed(as_one_text(answer)))[:HASH_DIGITS]


def _spoken(message: JsonObject) -> str:
    calls = {name: message[name] for name in ("tool_calls", "function_call", "tool_call_id") if message.get(name)}
    said = as_one_text(said_in(message)) if message["role"] == "assistant" else said_in(message)
    return f"{said} {canonical(calls)}" if calls else said


def as_one_text(answer: str) -> str:
    """An answer, and if it is JSON the one text of all the ways to write it: in another order, with other spaces.

    What is JSON in name only (no numbers, lists without an end) stands for itself.
    """
    if not answer.lstrip().startswith(("{", "[")):
        return answer
    try:
        return canonical(parse_json_text(answer))
    except ValueError:
        return answer


def _squeezed(text: str) -> str:
    return " ".join(text.split()).casefold()
