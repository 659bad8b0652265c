"""Supervised lines: a conversation whose assistant messages, or those of weight 1, are learnt."""

from collections.abc import Iterator

from tuneloop.domain.chat.messages import JsonObject
from tuneloop.domain.chat.rules import Found
from tuneloop.domain.chat.rules.conversations import answers_problems, conversation_problems
from tuneloop.domain.chat.rules.tools import tools_problems

MESSAGES_RULE = "`messages` must be a list of what was asked and, last, what the assistant is to answer."
MESSAGES_AS_TEXT = "`messages` must be a list of messages, not a text, even if the text is JSON."
MESSAGE_AS_LINE = "This is one message: an example has its messages, the assistant's last, in a list as `messages`."


def supervised_problems(row: JsonObject) -> Iterator[Found]:
    """What is wrong with a supervised line."""
    messages = row.get("messages")
    if not isinstance(messages, list) or not messages:
        yield "$.messages", "missing_messages", _messages_rule(row)
        return
    yield from conversation_problems("$.messages", messages)
    if all(isinstance(message, dict) for message in messages):  # what is no message has no place in an order
        yield from _order_problems(messages)
    yield from answers_problems((f"$.messages[{index}]", message) for index, message in enumerate(messages))
    yield from tools_problems("$", row)


def _messages_rule(row: JsonObject) -> str:
    """What would be right where a line has no list of messages, by what it has instead."""
    if isinstance(row.get("messages"), str):
        return MESSAGES_AS_TEXT
    return MESSAGE_AS_LINE if "messages" not in row and {"role", "content"} <= row.keys() else MESSAGES_RULE


def _order_problems(messages: list[JsonObject]) -> Iterator[Found]:
    roles = [message.get("role") for message in messages]
    if "assistant" not in roles:
        yield "$.messages", "no_assistant_message", "At least one message must have the role assistant."
    elif roles[-1] != "assistant":
        yield "$.messages[-1]", "last_not_assistant", "The last message must be the assistant's: it is what is learned."
    elif len(roles) == 1:
        yield "$.messages", "no_prompt", "A message must come before the assistant's: it is what is answered."
    elif not any(_is_learnt(message) for message in messages):
        yield "$.messages", "nothing_to_learn", "At least one assistant message must have no `weight` or the weight 1."


def _is_learnt(message: JsonObject) -> bool:
    return message.get("role") == "assistant" and message.get("weight") not in (0, False)
