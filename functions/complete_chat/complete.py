"""Completing a chat: the version that serves this user answers; if it can't, stable does, then the base model."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from tuneloop.domain.errors import ProviderRefused, ProviderUnavailable, TuneloopError
from tuneloop.domain.pricing import inference_cost
from tuneloop.domain.registry import Deployment, Version
from tuneloop.domain.routing import Arm, Inference, Route, route, tenant_hash, user_hash
from tuneloop.domain.serving import request_for
from tuneloop.domain.usage import UsageBatch, UsageRecord
from tuneloop.providers.base import Provider
from tuneloop.providers.catalog import price_of
from tuneloop.store.models import Models
from tuneloop.store.queues import Queue
from tuneloop.wire.chat import ChatCompletion, ChatRequest, CompletionUsage

FIRST_TRY_SHARE = 0.6
OURS = ("stream", "stream_options")


class Reply(NamedTuple):
    """What a version said, and which of the versions to try it was (0: the assigned one)."""

    version: Version
    completion: ChatCompletion
    place: int


def complete(
    tenant: str,
    request: ChatRequest,
    *,
    models: Models,
    provider: Provider,
    queue: Queue,
    nonce: str,
    now: datetime,
    remaining_s: Callable[[], float],
) -> ChatCompletion:
    """The answer in OpenAI's shape with our `tuneloop` beside it; its usage is on its way to the counters."""
    deployment = models.deployment(tenant, request.model)
    chosen = route(deployment, request.user_key, nonce)
    body = {name: value for name, value in request.passed_on().items() if name not in OURS}
    reply = _first_reply(tenant, deployment, chosen, body, models, provider, remaining_s)
    inference = Inference(
        model=deployment.model,
        version=reply.version.number,
        step=deployment.step,
        arm=chosen.arm,
        day=now.date().isoformat(),
        tenant_hash=tenant_hash(tenant),
        user_hash=user_hash(tenant, request.user_key),
        nonce=nonce,
    )
    record = _usage(inference, reply, now)
    queue.send(UsageBatch(id=inference.id, tenant=tenant, records=[record]).model_dump_json())
    return _answer(inference, reply, chosen.arm)


def _first_reply(
    tenant: str,
    deployment: Deployment,
    chosen: Route,
    body: dict[str, Any],
    models: Models,
    provider: Provider,
    remaining_s: Callable[[], float],
) -> Reply:
    failure: TuneloopError | None = None
    for place, number in enumerate(chosen.versions):
        version = models.version(tenant, deployment.model, number)
        is_last = place == len(chosen.versions) - 1
        timeout_s = remaining_s() * (1.0 if is_last else FIRST_TRY_SHARE)
        try:
            return Reply(version, provider.complete(request_for(version, body), timeout_s), place)
        except (ProviderUnavailable, ProviderRefused) as error:
            failure = failure or error
    raise failure or ProviderUnavailable("No version of this model could be asked.")


def _usage(inference: Inference, reply: Reply, now: datetime) -> UsageRecord:
    usage = reply.completion.usage or CompletionUsage()
    version = reply.version
    price = price_of(version.provider, version.base_model)
    return UsageRecord(
        inference=inference.id,
        model=inference.model,
        version=inference.version,
        arm=inference.arm,
        fallback=reply.place > 0,
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        cost_usd=inference_cost(price, usage.prompt_tokens, usage.completion_tokens, is_finetuned=version.is_finetuned),
        at=now,
    )


def _answer(inference: Inference, reply: Reply, arm: Arm) -> ChatCompletion:
    version = reply.version
    ours = {
        "version": version.number,
        "is_finetuned": version.is_finetuned,
        "arm": arm,
        "fallback": reply.place > 0,
    }
    changed = {"id": inference.id, "model": version.provider_model, "tuneloop": ours}
    return ChatCompletion.model_validate(reply.completion.model_dump() | changed)
