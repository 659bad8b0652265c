"""Routing: the version that answers a user, the request it is sent, and self-describing inference ids.

A hash of the candidate's salt and the user decides the version, so raising the share only moves users towards the
candidate. An inference id holds model, version, step, arm and day, so feedback needs no row per inference.
"""

import re
from datetime import date
from enum import StrEnum
from typing import Any, NamedTuple

from tuneloop.domain.chat.examples import Example
from tuneloop.domain.chat.messages import PROMPT_ROLES, JsonObject
from tuneloop.domain.core.errors import InvalidInput
from tuneloop.domain.core.ids import checked_name, unit_interval
from tuneloop.domain.serving.models import Deployment, Version

ID_PREFIX = "chatcmpl-"
MODEL_PATTERN = r"^[a-z0-9][a-z0-9-]{0,62}(:[0-9]{1,6})?$"
VERSION_DIGITS = re.compile("[0-9]{1,6}", re.ASCII)


class Arm(StrEnum):
    """The side of a comparison that a user was assigned to."""

    STABLE = "stable"
    CANDIDATE = "candidate"


class Route(NamedTuple):
    """The assigned arm, and the versions to try in order: the assigned one, stable, the previous one, the base."""

    arm: Arm
    versions: tuple[int, ...]


class Inference(NamedTuple):
    """The fields of an inference id; `version` is the version that answered, `arm` the one that was assigned."""

    model: str
    version: int
    step: int
    arm: Arm
    day: str
    tenant_hash: str
    user_hash: str
    nonce: str

    @property
    def id(self) -> str:
        """The inference id as the app gets it."""
        return ID_PREFIX + ".".join(str(part) for part in self)


def route(deployment: Deployment, user: str | None, call: str) -> Route:
    """The route of a call, by its user, or by the call's own id if it names no user.

    If the base model is stable, no previous version is a fallback: the person who made the base stable took that
    version off, and a rollback forgets the version that it took off.
    """
    on_candidate = deployment.candidate is not None and unit_interval(deployment.salt, user or call) < deployment.share
    first = [deployment.candidate] if on_candidate and deployment.candidate is not None else []
    before = [deployment.previous] if deployment.stable != 0 and deployment.previous is not None else []
    versions = tuple(dict.fromkeys([*first, deployment.stable, *before, 0]))
    return Route(Arm.CANDIDATE if on_candidate else Arm.STABLE, versions)


def parse_model_name(model: str) -> tuple[str, int | None]:
    """The model and the version that a call names as `model:version`; None as the version if it names only a model."""
    name, _, number = model.partition(":")
    return (name, int(number)) if VERSION_DIGITS.fullmatch(number) else (model, None)


def parse_inference(inference_id: str) -> Inference:
    """Parse an inference id; InvalidInput if it isn't one or was altered."""
    parts = inference_id.removeprefix(ID_PREFIX).split(".")
    if not inference_id.startswith(ID_PREFIX) or len(parts) != len(Inference._fields):
        raise InvalidInput("This is not the id of an answer from /v1/chat/completions.", param="inference_id")
    model, version, step, arm, day, tenant, user, nonce = parts
    try:
        inference = Inference(
            checked_name(model, "model"),
            int(version),
            int(step),
            Arm(arm),
            date.fromisoformat(day).isoformat(),
            tenant,
            user,
            nonce,
        )
    except (ValueError, InvalidInput) as error:
        raise _altered_id_error() from error
    if inference.id != inference_id or inference.version < 0:
        raise _altered_id_error()
    return inference


def _altered_id_error() -> InvalidInput:
    return InvalidInput("This inference id has been altered.", param="inference_id")


def with_prompt(version: Version, messages: list[JsonObject]) -> list[JsonObject]:
    """The conversation with the version's system prompt in place of the app's; unchanged if the version has none."""
    return replace_system_prompt(version.prompt, messages)


def replace_system_prompt(prompt: str | None, messages: list[JsonObject]) -> list[JsonObject]:
    """A conversation that begins with `prompt` in place of its own system prompt; unchanged if `prompt` is None."""
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
    """An example as a chat request: its messages before the answer, and its tools.

    `weight` is removed: it says which messages are trained on, and providers refuse it in chat requests.
    """
    messages = [{name: value for name, value in message.items() if name != "weight"} for message in example.prompt]
    return {**{name: value for name, value in example.content.items() if name != "messages"}, "messages": messages}
