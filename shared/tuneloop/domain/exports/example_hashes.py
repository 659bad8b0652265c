"""Hashes of an example, computed once when it is collected, so that examples are compared without parsing them again.

Two examples with an equal prompt hash ask the same thing; an equal context hash means an equal system prompt and equal
tools, and an equal answer hash the same answer. With an equal conversation hash they differ at most in letter case,
white space, and the formatting of an answer's JSON.
"""

from typing import NamedTuple

from tuneloop.domain.chat.examples import Example
from tuneloop.domain.chat.messages import PROMPT_ROLES, JsonObject, canonical, parse_json_text, text_of
from tuneloop.domain.core.ids import digest

# Hex digits of a SHA-256 that are kept: 64 bits fit a column of numbers, of which a freeze holds several for each of a
# million examples.
HASH_DIGITS = 16


class ExampleHashes(NamedTuple):
    """The hashes of an example (16 hex digits each), its prompt as one text, and the characters that its users say."""

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
        context_hash=digest(_fold(" ".join([*map(text_of, instructions), tools])))[:HASH_DIGITS],
        answer_hash=answer_hash(example.answer),
        conversation_hash=digest(" ".join(parts).casefold())[:HASH_DIGITS],
        characters=sum(len(text_of(message)) for message in example.prompt if message["role"] == "user"),
    )


def folded_prompt(example: Example) -> str:
    """The prompt as one text: letters casefolded, white space collapsed, each message preceded by its role.

    System messages are left out unless the prompt has no others, since most examples of a dataset share them.
    """
    return " ".join([f"{message['role']}:{message_text(message)}" for message in _prompt_turns(example)]).casefold()


def _prompt_turns(example: Example) -> list[JsonObject]:
    """The prompt without its system messages; the whole prompt if it has no others."""
    return [message for message in example.prompt if message["role"] not in PROMPT_ROLES] or example.prompt


def message_text(message: JsonObject) -> str:
    """The text of a message with white space collapsed, followed by its images and other parts as canonical JSON."""
    content = message.get("content")
    parts = [canonical(part) for part in content if part["type"] != "text"] if isinstance(content, list) else []
    return " ".join([*text_of(message).split(), *parts])


def answer_hash(answer: str) -> str:
    """The hash of an answer with letters casefolded and white space collapsed; JSON is hashed in its canonical form."""
    return digest(_fold(canonical_answer(answer)))[:HASH_DIGITS]


def _turn_text(message: JsonObject) -> str:
    calls = {name: message[name] for name in ("tool_calls", "function_call", "tool_call_id") if message.get(name)}
    text = canonical_answer(message_text(message)) if message["role"] == "assistant" else message_text(message)
    return f"{text} {canonical(calls)}" if calls else text


def canonical_answer(answer: str) -> str:
    """The canonical form of an answer that is a JSON object or list, whatever its spacing and order of fields.

    Any other answer is returned as it is; so is one that no parser should have to take as JSON, for its `NaN`, its
    depth or its size (see `parse_json_text`).
    """
    if not answer.lstrip().startswith(("{", "[")):
        return answer
    try:
        return canonical(parse_json_text(answer))
    except ValueError:
        return answer


def _fold(text: str) -> str:
    return " ".join(text.split()).casefold()
