"""Conversations: messages one by one, and then their order: who speaks last, and which call is answered by what."""

from collections.abc import Iterable, Iterator
from typing import Any

from tuneloop.domain.chat.messages import ROLES, JsonObject
from tuneloop.domain.chat.rules import Found
from tuneloop.domain.chat.rules.contents import MOST_IMAGES, content_problems, images_in
from tuneloop.domain.chat.rules.fields import NAME, SPEAKER_RULE, is_name, unknown_keys
from tuneloop.domain.chat.rules.tools import call_ids, calls_problems

SPOKEN = ("role", "content", "name")
# What stands in answers of OpenAI's and of other servers beside `role` and `content`, read 2026-12. Empty, it says
# nothing, and `normalization` drops it; with something in it, it is nothing that a model can be trained to say.
NEVER_LEARNT = (
    "refusal", "annotations", "audio", "parsed", "content_parts", "reasoning", "reasoning_content", "reasoning_details",
    "thinking", "thinking_blocks", "images", "citations", "executed_tools", "provider_specific_fields",
    "additional_kwargs", "response_metadata", "invalid_tool_calls",
)  # fmt: skip
NOT_A_MESSAGE = "A message must be an object with `role` and `content`."
TEXT_AS_MESSAGE = "A message must be an object with `role` and `content`, not a text, even if the text is JSON."
KEYS = {
    "assistant": (*SPOKEN, "weight", "tool_calls", "function_call"),
    "tool": (*SPOKEN, "tool_call_id"),
}


def message_problems(path: str, message: Any) -> Iterator[Found]:
    """What is wrong with one message, whatever stands before and after it."""
    if not isinstance(message, dict):
        yield path, "not_an_object", TEXT_AS_MESSAGE if isinstance(message, str) else NOT_A_MESSAGE
        return
    role = message.get("role")
    if role not in ROLES:
        yield f"{path}.role", "unknown_role", f"`role` must be one of {', '.join(ROLES)}."
    weight = message.get("weight", 0)
    if "weight" in message and (role != "assistant" or isinstance(weight, bool) or weight not in (0, 1)):
        yield f"{path}.weight", "invalid_weight", "`weight` is 0 or 1 and stands on assistant messages only."
    has_calls = role == "assistant" and bool(message.get("tool_calls") or message.get("function_call"))
    unlearnable = list(unlearnable_problems(path, message)) if role == "assistant" else []
    if message.get("content") or not unlearnable:  # a refusal stands where the content would
        yield from content_problems(path, message, has_calls=has_calls)
    yield from unlearnable
    if role in ROLES:
        yield from _field_problems(path, message, role)


def _field_problems(path: str, message: JsonObject, role: str) -> Iterator[Found]:
    name = message.get("name")
    if (name is not None or role == "function") and not is_name(name, NAME):
        yield f"{path}.name", "invalid_name", SPEAKER_RULE
    if role == "tool" and not (isinstance(call := message.get("tool_call_id"), str) and call):
        yield f"{path}.tool_call_id", "missing_call_id", "`tool_call_id` must be the id of the call that is answered."
    if role == "assistant":
        yield from calls_problems(path, message)
    told = ("weight", *(NEVER_LEARNT if role == "assistant" else ()))  # rules of their own tell of these
    rest = {key: value for key, value in message.items() if key not in told}
    yield from unknown_keys(path, rest, KEYS.get(role, SPOKEN), f"A message of this role ({role})")


def unlearnable_problems(path: str, message: JsonObject) -> Iterator[Found]:
    """Fields of an answer that say something which no model can be trained to say."""
    for field in NEVER_LEARNT:
        if field in message:
            rule = f"`{field}` can't be learnt; say it as `content`, or leave it out."
            yield f"{path}.{field}", "unknown_key", rule


def conversation_problems(path: str, messages: list[Any]) -> Iterator[Found]:
    """What is wrong with the messages, each and in their order, but for who must speak last."""
    for index, message in enumerate(messages):
        yield from message_problems(f"{path}[{index}]", message)
    if images_in(messages) > MOST_IMAGES:
        yield path, "too_many_images", f"An example may hold {MOST_IMAGES} images at most."


def answers_problems(messages: Iterable[tuple[str, Any]]) -> Iterator[Found]:
    """Calls that nobody answered before the conversation went on, and answers to no call before them; with paths."""
    made: set[str] = set()
    waiting: set[str] = set()
    for path, message in messages:
        if not isinstance(message, dict):
            continue
        role, answered = message.get("role"), message.get("tool_call_id")
        if role == "tool":
            if isinstance(answered, str) and answered and answered not in made:
                rule = "`tool_call_id` must be the id of a call that the assistant message right before it made."
                yield f"{path}.tool_call_id", "unknown_call", rule
            waiting.discard(str(answered))
            continue
        if waiting:
            rule = "Each call must be answered by a tool message right after it, before the conversation goes on."
            yield path, "unanswered_call", rule
        made = set(call_ids(message)) if role == "assistant" else set()
        waiting = set(made)
