"""Hashes of an example, made once when it is collected, so that nobody has to parse it again to compare it.

Two examples with the same prompt hash ask the same thing, with the same context hash under the same system prompt and
tools; with the same answer hash they say the same thing; with the same conversation hash they are the same but for
letter case, white space, and the way in which an answer's JSON is written.
"""

from typing import NamedTuple

from tuneloop.domain.chat.examples import Example
from tuneloop.domain.chat.messages import PROMPT_ROLES, JsonObject, canonical, parse_json_text, text_of
from tuneloop.domain.core.ids import digest

# Hex digits of a SHA-256 that are kept: 64 bits fit a column of numbers, of which a freeze holds several for each of a
# million examples.
HASH_DIGITS = 16


class ExampleHashes(NamedTuple):
    """An example's hashes, 16 hex digits each, its prompt as one text, and how many characters its users say."""

    prompt_text: str
    prompt_hash: str
    context_hash: str
    answer_hash: str
    conversation_hash: str
    characters: int


def example_hashes(example: Example) -> ExampleHashes:
    """The hashes of one example."""
    tools = canonical(example.content.get("tools") or [])
    parts = [*(f"{message['role']}:{_turn_text(message)}" for message in example.messages), tools]
    if rejected := example.content.get("non_preferred_output"):
        parts += [f"not:{_turn_text(message)}" for message in rejected]
    prompt = folded_prompt(example)
    instructions = [message for message in example.prompt if message["role"] in PROMPT_ROLES]
    return ExampleHashes(
        prompt_text=prompt,
        prompt_hash=digest(prompt)[:HASH_DIGITS],
        context_hash=digest(_squeezed(" ".join([*map(text_of, instructions), tools])))[:HASH_DIGITS],
        answer_hash=answer_hash(example.answer),
        conversation_hash=digest(" ".join(parts).casefold())[:HASH_DIGITS],
        characters=sum(len(text_of(message)) for message in example.prompt if message["role"] == "user"),
    )


def folded_prompt(example: Example) -> str:
    """Everything before the answer as one text: letters folded, white space squeezed, each message led by its role.

    System messages count only where nobody else says anything: they are the same in most examples.
    """
    return " ".join([f"{message['role']}:{message_text(message)}" for message in _prompt_turns(example)]).casefold()


def _prompt_turns(example: Example) -> list[JsonObject]:
    """The prompt without system messages, or with them where nobody else says anything."""
    return [message for message in example.prompt if message["role"] not in PROMPT_ROLES] or example.prompt


def message_text(message: JsonObject) -> str:
    """A message's text with its white space squeezed, and its pictures and other parts as they are."""
    content = message.get("content")
    parts = [canonical(part) for part in content if part["type"] != "text"] if isinstance(content, list) else []
    return " ".join([*text_of(message).split(), *parts])


def answer_hash(answer: str) -> str:
    """The hash of an answer, letters folded, white space squeezed, and JSON as the one text of its value."""
    return digest(_squeezed(as_one_text(answer)))[:HASH_DIGITS]


def _turn_text(message: JsonObject) -> str:
    calls = {name: message[name] for name in ("tool_calls", "function_call", "tool_call_id") if message.get(name)}
    text = as_one_text(message_text(message)) if message["role"] == "assistant" else message_text(message)
    return f"{text} {canonical(calls)}" if calls else text


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
