"""Chat completions: a call is answered by the version that its user is routed to.

If that version can't answer, the stable version does, then the version that was stable before it, then the base model.
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
from tuneloop.domain.serving.routing import Arm, Inference, Route, parse_model_name, request_for, route
from tuneloop.domain.serving.usage import UsageBatch, UsageRecord
from tuneloop.observability import count, log_failure
from tuneloop.openai_wire.chat import ChatCompletion, ChatRequest
from tuneloop.providers.answers import call_tokens
from tuneloop.providers.catalog import price_of
from tuneloop.providers.registry import Providers
from tuneloop.store.queues import Queue
from tuneloop.store.repositories.models import Models, unknown_model

# Seconds reserved for the stable version and for the base model each, in case they must stand in; the assigned version
# gets all the rest. The version that was stable before has none reserved, as every first answer would lose them
# (docs/decisions.md).
FALLBACK_S = 4.0
# Fields that aren't passed on: providers are asked for whole answers, and the route makes a stream of them.
STREAM_FIELDS = ("stream", "stream_options")


class Served(BaseModel):
    """The version that answered; `arm` is its user's side, `fallback` is true if it stood in for another version."""

    version: int
    is_finetuned: bool
    arm: Arm
    fallback: bool


class ChatAnswer(ChatCompletion):
    """An answer in OpenAI's shape; feedback names its `id`, and `model` is the provider's model that answered."""

    tuneloop: Served


class Try(NamedTuple):
    """One version's completion, empty if it `failed`; `place` 0 is the assigned version, later places stand in."""

    version: Version
    place: int
    completion: ChatCompletion
    failed: bool = False


@dataclass(frozen=True)
class CompleteChat:
    """Answers chats, and sends their usage to the queue that record-usage counts from."""

    models: Models
    providers: Providers
    usage_queue: Queue

    def complete(
        self, tenant: str, request: ChatRequest, *, nonce: str, now: datetime, remaining_s: Callable[[], float]
    ) -> ChatAnswer:
        """Answer a chat in OpenAI's shape, with the extra field `tuneloop`.

        NotFound for an unknown model or version, Conflict for a named version that isn't ready, ProviderUnavailable or
        ProviderRefused if no version answered. `nonce` makes the inference's id unique.
        """
        name, number = parse_model_name(request.model)
        deployment = self.models.deployment(tenant, name)
        chosen_route = self._route_to(tenant, deployment, number) if number is not None else None
        chosen_route = chosen_route or route(deployment, request.user_key, nonce)
        tries, failure = self._try_versions(tenant, deployment, chosen_route, request, remaining_s)
        reply = tries[0] if failure else tries[-1]
        inference = Inference(
            model=deployment.model,
            version=reply.version.number,
            step=deployment.step,
            arm=chosen_route.arm,
            day=now.date().isoformat(),
            tenant_hash=tenant_hash(tenant),
            user_hash=user_hash(tenant, request.user_key),
            nonce=nonce,
        )
        records = [_usage_record(one_try, now) for one_try in tries]
        self._send(UsageBatch(id=inference.id, tenant=tenant, records=records))
        if failure:
            raise failure
        return _answer(inference, reply, chosen_route.arm)

    def _route_to(self, tenant: str, deployment: Deployment, number: int) -> Route:
        """The route of a call that names a version: to that version only. Conflict if it can't answer."""
        version = version_of(tenant, deployment.model, number, models=self.models)
        if not version.can_answer:
            raise Conflict(f"Version {number} is {version.status}; only one that is ready can answer.", param="model")
        return Route(Arm.STABLE, (number,))

    def _try_versions(
        self,
        tenant: str,
        deployment: Deployment,
        chosen_route: Route,
        request: ChatRequest,
        remaining_s: Callable[[], float],
    ) -> tuple[list[Try], TuneloopError | None]:
        """Ask versions in the order of the route until one answers.

        Returns the tries, the last of which answered, and None; or, if none answered, the first one's error.
        """
        body = {name: value for name, value in request.provider_fields().items() if name not in STREAM_FIELDS}
        tries: list[Try] = []
        failure: TuneloopError | None = None
        refusals = 0  # if another version answers, these weren't the call's own fault: they count as the provider's
        must_answer = {chosen_route.versions[0], deployment.stable, 0}
        for place, number in enumerate(chosen_route.versions):
            version = self.models.version(tenant, deployment.model, number)
            left_s = remaining_s() - FALLBACK_S * len(must_answer & set(chosen_route.versions[place + 1 :]))
            if number not in must_answer and (left_s < FALLBACK_S or not version.can_answer):
                continue
            try:
                provider = self.providers.get(version.provider)
                completion = provider.complete(request_for(version, body), left_s)
            except (ProviderUnavailable, ProviderRefused, Conflict) as error:  # Conflict: its provider was removed
                failure = failure or error
                tries.append(Try(version, place, ChatCompletion(), failed=True))
                refusals += not isinstance(error, ProviderUnavailable)  # the provider's adapter counts that one itself
            else:
                if refusals:
                    count("ProviderUnavailable", refusals)
                return [*tries, Try(version, place, completion)], None
        return tries, failure

    def _send(self, batch: UsageBatch) -> None:
        """Send usage to its queue; if that fails, the answer is given uncounted, as asking again would cost again."""
        try:
            self.usage_queue.send(batch.model_dump_json())
        except (BotoCoreError, ClientError, OutOfTime) as error:
            log_failure(error)
            count("UsageLost", len(batch.records))


def version_of(tenant: str, model: str, number: int, *, models: Models) -> Version:
    """A version of a model; NotFound in the words of OpenAI's error for an unknown model."""
    try:
        return models.version(tenant, model, number)
    except NotFound as error:
        raise unknown_model(f"{model}:{number}") from error


def _usage_record(one_try: Try, now: datetime) -> UsageRecord:
    """The tokens and US dollars of one try; the cost of a failed try is unknown."""
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
    """The provider's answer with our inference id, the provider's model id, and the version that answered."""
    version = reply.version
    served = Served(version=version.number, is_finetuned=version.is_finetuned, arm=arm, fallback=reply.place > 0)
    changed = {"id": inference.id, "model": version.provider_model, "tuneloop": served}
    # Apps add the token counts up, so no usage is better than a part of it.
    if (usage := reply.completion.usage) and not usage.is_complete:
        changed["usage"] = None
    return ChatAnswer.model_validate(reply.completion.model_dump() | changed)
