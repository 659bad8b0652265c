"""A chat completion: the version that serves this user answers.

If it can't, the stable version does, then the version that served before it, then the base model.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

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
from tuneloop.domain.core.ids import tenant_hash, user_hash
from tuneloop.domain.core.pricing import UNKNOWN_COST, call_cost
from tuneloop.domain.serving.models import Deployment, Version
from tuneloop.domain.serving.routing import Arm, Inference, Route, named_version, request_for, route
from tuneloop.domain.serving.usage import UsageBatch, UsageRecord
from tuneloop.observability import count, log_failure
from tuneloop.openai_wire.chat import ChatCompletion, ChatRequest
from tuneloop.providers.answers import call_tokens
from tuneloop.providers.catalog import price_of
from tuneloop.providers.registry import Providers
from tuneloop.store.queues import Queue
from tuneloop.store.repositories.models import Models, unknown_model

# Seconds kept for stable and for the base model each, should they have to stand in; the assigned version has all the
# rest. The version that served before has no time of its own: it would only keep the base model from answering.
FALLBACK_S = 4.0
OURS = ("stream", "stream_options")  # settled here: providers are asked for whole answers, and routes stream them


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
    """One version's completion, an empty one where it failed; `place` 0 is the assigned version, others stand in."""

    version: Version
    place: int
    completion: ChatCompletion
    failed: bool = False


@dataclass(frozen=True)
class CompleteChat:
    """Answers chats, and sends what they cost on its way to the counters."""

    models: Models
    providers: Providers
    usage_queue: Queue

    def complete(
        self, tenant: str, request: ChatRequest, *, nonce: str, now: datetime, remaining_s: Callable[[], float]
    ) -> ChatAnswer:
        """Answer in OpenAI's shape, with our `tuneloop` beside it.

        NotFound for an unknown model or version, Conflict for a named version that isn't ready, ProviderUnavailable or
        ProviderRefused where no version answered.
        """
        name, number = named_version(request.model)
        deployment = self.models.deployment(tenant, name)
        chosen = self._route_to(tenant, deployment, number) if number is not None else None
        chosen = chosen or route(deployment, request.user_key, nonce)
        tries, failure = self._try_versions(tenant, deployment, chosen, request, remaining_s)
        shown = tries[0] if failure else tries[-1]
        inference = Inference(
            model=deployment.model,
            version=shown.version.number,
            step=deployment.step,
            arm=chosen.arm,
            day=now.date().isoformat(),
            tenant_hash=tenant_hash(tenant),
            user_hash=user_hash(tenant, request.user_key),
            nonce=nonce,
        )
        records = [_usage_record(one_try, now) for one_try in tries]
        self._send(UsageBatch(id=inference.id, tenant=tenant, records=records))
        if failure:
            raise failure
        return _answer(inference, shown, chosen.arm)

    def _route_to(self, tenant: str, deployment: Deployment, number: int) -> Route:
        """The route of a call that names its version: to that one and no other."""
        version = version_of(tenant, deployment.model, number, models=self.models)
        if not version.can_answer:
            raise Conflict(f"Version {number} is {version.status}; only one that is ready can answer.", param="model")
        return Route(Arm.STABLE, (number,))

    def _try_versions(
        self,
        tenant: str,
        deployment: Deployment,
        chosen: Route,
        request: ChatRequest,
        remaining_s: Callable[[], float],
    ) -> tuple[list[Try], TuneloopError | None]:
        """The versions that were tried, the last of which answered; where none did, why the first one didn't."""
        body = {name: value for name, value in request.provider_fields().items() if name not in OURS}
        tries: list[Try] = []
        failure: TuneloopError | None = None
        refusals = 0  # by versions in whose place another one could answer: it was not the call's own fault
        must_answer = {chosen.versions[0], deployment.stable, 0}
        for place, number in enumerate(chosen.versions):
            version = self.models.version(tenant, deployment.model, number)
            left_s = remaining_s() - FALLBACK_S * len(must_answer & set(chosen.versions[place + 1 :]))
            if number not in must_answer and (left_s < FALLBACK_S or not version.can_answer):
                continue
            try:
                provider = self.providers.get(version.provider)
                completion = provider.complete(request_for(version, body), left_s)
            except (ProviderUnavailable, ProviderRefused, Conflict) as error:  # Conflict: its provider was removed
                failure = failure or error
                tries.append(Try(version, place, ChatCompletion(), failed=True))
                refusals += not isinstance(error, ProviderUnavailable)  # which the provider's adapter counts itself
            else:
                if refusals:
                    count("ProviderUnavailable", refusals)
                return [*tries, Try(version, place, completion)], None
        return tries, failure

    def _send(self, batch: UsageBatch) -> None:
        """Send usage to its queue; where that fails, the answer is given uncounted rather than asked for again."""
        try:
            self.usage_queue.send(batch.model_dump_json())
        except (BotoCoreError, ClientError, OutOfTime) as error:
            log_failure(error)
            count("UsageLost", len(batch.records))


def version_of(tenant: str, model: str, number: int, *, models: Models) -> Version:
    """A version of a model, or NotFound in OpenAI's words."""
    try:
        return models.version(tenant, model, number)
    except NotFound as error:
        raise unknown_model(f"{model}:{number}") from error


def _usage_record(one_try: Try, now: datetime) -> UsageRecord:
    version, tokens = one_try.version, call_tokens(one_try.completion.usage)
    price = price_of(version.provider, version.base_model)
    cost = UNKNOWN_COST if one_try.failed else call_cost(price, tokens, is_finetuned=version.is_finetuned)
    return UsageRecord(
        model=version.model,
        version=version.number,
        fallback=one_try.place > 0,
        failed=one_try.failed,
        prompt_tokens=tokens.prompt or 0,
        completion_tokens=tokens.completion or 0,
        cached_tokens=tokens.cached or 0,
        cost_usd=cost.usd,
        is_metered=tokens.are_known,
        is_upper_bound=cost.is_upper_bound,
        at=now,
    )


def _answer(inference: Inference, reply: Try, arm: Arm) -> ChatAnswer:
    version = reply.version
    ours = Served(version=version.number, is_finetuned=version.is_finetuned, arm=arm, fallback=reply.place > 0)
    changed = {"id": inference.id, "model": version.provider_model, "tuneloop": ours}
    if (usage := reply.completion.usage) and not usage.is_complete:  # apps add the counts up: none is better than half
        changed["usage"] = None
    return ChatAnswer.model_validate(reply.completion.model_dump() | changed)
