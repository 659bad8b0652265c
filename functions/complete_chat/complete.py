"""Completing a chat: the version that serves this user answers.

If it can't, stable does, then the version that served before it, then the base model.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import BaseModel

from tuneloop.domain.core.errors import (
    Conflict,
    NotFound,
    OutOfTime,
    ProviderRefused,
    ProviderUnavailable,
    TuneloopError,
)
from tuneloop.domain.core.pricing import UNKNOWN_COST, call_cost
from tuneloop.domain.core.subjects import tenant_hash, user_hash
from tuneloop.domain.serving.models import Deployment, Version
from tuneloop.domain.serving.requests import request_for
from tuneloop.domain.serving.routing import Arm, Inference, Route, named_version, route
from tuneloop.domain.serving.usage import UsageBatch, UsageRecord
from tuneloop.observability import count, log_failure
from tuneloop.openai_wire.chat import ChatCompletion, ChatRequest
from tuneloop.providers.catalog import price_of
from tuneloop.providers.metering import tokens_of
from tuneloop.providers.registry import Providers
from tuneloop.store.queues import Queue
from tuneloop.store.repositories.models import Models, unknown_model

# Kept for stable and for the base model, should they have to stand in; the first one has all the rest. The version that
# served before has no time of its own: where the first one took all, it would only keep the base from answering.
FALLBACK_S = 4.0
OURS = ("stream", "stream_options")


class Served(BaseModel):
    """Which version answered; `arm` is the side its user was assigned to, `fallback` that another had to stand in."""

    version: int
    is_finetuned: bool
    arm: Arm
    fallback: bool


class ChatAnswer(ChatCompletion):
    """An answer in OpenAI's shape; `id` is what feedback names, `model` what really answered."""

    tuneloop: Served


class Try(NamedTuple):
    """What a version said, nothing where it failed; `place` 0 is the assigned version, others stand in for it."""

    version: Version
    place: int
    completion: ChatCompletion
    failed: bool = False


def complete(
    tenant: str,
    request: ChatRequest,
    *,
    models: Models,
    providers: Providers,
    queue: Queue,
    nonce: str,
    now: datetime,
    remaining_s: Callable[[], float],
) -> ChatAnswer:
    """The answer in OpenAI's shape with our `tuneloop` beside it; its usage is on its way to the counters."""
    name, number = named_version(request.model)
    deployment = models.deployment(tenant, name)
    chosen = _exactly(tenant, deployment, number, models) if number is not None else None
    chosen = chosen or route(deployment, request.user_key, nonce)
    body = {name: value for name, value in request.passed_on().items() if name not in OURS}
    tries, failure = _ask(tenant, deployment, chosen, body, models, providers, remaining_s)
    told = tries[0] if failure else tries[-1]
    inference = Inference(
        model=deployment.model,
        version=told.version.number,
        step=deployment.step,
        arm=chosen.arm,
        day=now.date().isoformat(),
        tenant_hash=tenant_hash(tenant),
        user_hash=user_hash(tenant, request.user_key),
        nonce=nonce,
    )
    records = [_usage(each, now) for each in tries]
    _send(UsageBatch(id=inference.id, tenant=tenant, records=records), queue)
    if failure:
        raise failure
    return _answer(inference, told, chosen.arm)


def version_of(tenant: str, model: str, number: int, *, models: Models) -> Version:
    """A version of a model, or NotFound in OpenAI's words."""
    try:
        return models.version(tenant, model, number)
    except NotFound as error:
        raise unknown_model(f"{model}:{number}") from error


def _exactly(tenant: str, deployment: Deployment, number: int, models: Models) -> Route:
    """The route of a call that names its version: to that one and no other."""
    version = version_of(tenant, deployment.model, number, models=models)
    if not version.can_answer:
        raise Conflict(f"Version {number} is {version.status}; only one that is ready can answer.", param="model")
    return Route(Arm.STABLE, (number,))


def _ask(
    tenant: str,
    deployment: Deployment,
    chosen: Route,
    body: dict[str, Any],
    models: Models,
    providers: Providers,
    remaining_s: Callable[[], float],
) -> tuple[list[Try], TuneloopError | None]:
    """The versions that were tried, the last of which answered; where none did, why the first one didn't."""
    tries: list[Try] = []
    failure: TuneloopError | None = None
    refusals = 0  # by versions in whose place another could answer: it was not the call's own fault
    must_answer = {chosen.versions[0], deployment.stable, 0}
    for place, number in enumerate(chosen.versions):
        version = models.version(tenant, deployment.model, number)
        left_s = remaining_s() - FALLBACK_S * len(must_answer & set(chosen.versions[place + 1 :]))
        if number not in must_answer and (left_s < FALLBACK_S or not version.can_answer):
            continue
        try:
            provider = providers.get(version.provider)
            completion = provider.complete(request_for(version, body), left_s)
        except (ProviderUnavailable, ProviderRefused, Conflict) as error:  # Conflict: its provider was removed
            failure = failure or error
            tries.append(Try(version, place, ChatCompletion(), failed=True))
            refusals += not isinstance(error, ProviderUnavailable)  # which are counted where they are told
        else:
            if refusals:
                count("ProviderUnavailable", refusals)
            return [*tries, Try(version, place, completion)], None
    return tries, failure


def _usage(one: Try, now: datetime) -> UsageRecord:
    version, tokens = one.version, tokens_of(one.completion.usage)
    price = price_of(version.provider, version.base_model)
    cost = UNKNOWN_COST if one.failed else call_cost(price, tokens, is_finetuned=version.is_finetuned)
    return UsageRecord(
        model=version.model,
        version=version.number,
        fallback=one.place > 0,
        failed=one.failed,
        prompt_tokens=tokens.prompt or 0,
        completion_tokens=tokens.completion or 0,
        cached_tokens=tokens.cached or 0,
        cost_usd=cost.usd,
        is_metered=tokens.are_known,
        is_upper_bound=cost.is_upper_bound,
        at=now,
    )


def _send(batch: UsageBatch, queue: Queue) -> None:
    """Send usage on its way; an answer that is not counted is worth more than none, which would be asked for again."""
    try:
        queue.send(batch.model_dump_json())
    except (BotoCoreError, ClientError, OutOfTime) as error:
        log_failure(error)
        count("UsageLost", len(batch.records))


def _answer(inference: Inference, reply: Try, arm: Arm) -> ChatAnswer:
    version = reply.version
    ours = Served(version=version.number, is_finetuned=version.is_finetuned, arm=arm, fallback=reply.place > 0)
    changed = {"id": inference.id, "model": version.provider_model, "tuneloop": ours}
    if (usage := reply.completion.usage) and not usage.is_complete:  # apps add the counts up: none is better than half
        changed["usage"] = None
    return ChatAnswer.model_validate(reply.completion.model_dump() | changed)
