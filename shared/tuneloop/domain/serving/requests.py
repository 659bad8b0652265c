"""Requests: how a version is asked, in evaluations as in production."""

from typing import Any

from tuneloop.domain.chat.examples import PROMPT_ROLES, Example, JsonObject
from tuneloop.domain.serving.models import Version


def with_prompt(version: Version, messages: list[JsonObject]) -> list[JsonObject]:
    """The conversation led by the version's own prompt in place of the app's; as it came if the version has none."""
    return replace_system_prompt(version.prompt, messages)


def replace_system_prompt(prompt: str | None, messages: list[JsonObject]) -> list[JsonObject]:
    """A conversation with a prompt in place of the app's; as it came if there is none."""
    if prompt is None:
        return messages
    rest = messages[1:] if messages and messages[0].get("role") in PROMPT_ROLES else messages
    return [{"role": "system", "content": prompt}, *rest]


def request_for(version: Version, request: dict[str, Any]) -> dict[str, Any]:
    """A chat request addressed to a version: its model, its prompt, and its parameters where the app set none."""
    messages = with_prompt(version, request["messages"])
    model = version.deployment or version.provider_model
    return {**version.parameters, **request, "model": model, "messages": messages}


def chat_request_of(example: Example) -> dict[str, Any]:
    """An example as a chat request: what stands before its answer, and the tools that it was given.

    `weight` marks what is trained on; a provider that is asked refuses it.
    """
    messages = [{name: value for name, value in message.items() if name != "weight"} for message in example.prompt]
    return {**{name: value for name, value in example.content.items() if name != "messages"}, "messages": messages}
