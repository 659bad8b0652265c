"""The serving routes: chat completions in OpenAI's shape, the list of models, and a user's route."""

from aws_lambda_powertools.event_handler import Response
from pydantic import BaseModel

from complete_chat.complete import complete
from tuneloop.app import app, new_nonce, utc_now
from tuneloop.domain.access import Scope
from tuneloop.domain.routing import Arm, route
from tuneloop.http import Api, Name, UserKey
from tuneloop.wire.chat import ChatCompletion, ChatRequest, chunks_of
from tuneloop.wire.models import Model, ModelList
from tuneloop.wire.sse import body as event_stream

ANSWER_WITHIN_S = 24.0

api = Api(app)


class RouteView(BaseModel):
    """How a user's calls are routed: the arm, and the versions that are tried in order."""

    arm: Arm
    versions: list[int]
    step: int


@api.route("GET /v1/models", Scope.READ)
def list_models() -> ModelList:
    """The tenant's models in OpenAI's list shape."""
    return ModelList(
        data=[
            Model(id=model.id, created=int(model.created_at.timestamp()), owned_by=api.tenant)
            for model in app.models.all(api.tenant)
        ]
    )


@api.route("POST /v1/chat/completions", Scope.INFER)
def create_chat_completion(request: ChatRequest) -> Response[ChatCompletion | str]:
    """Answer a chat with the version that serves its user; `stream: true` is answered as one buffered event stream."""
    started = utc_now()
    completion = complete(
        api.tenant,
        request,
        models=app.models,
        provider=app.provider,
        queue=app.usage_queue,
        nonce=new_nonce(),
        now=started,
        remaining_s=lambda: ANSWER_WITHIN_S - (utc_now() - started).total_seconds(),
    )
    if request.stream:
        chunks = chunks_of(completion, include_usage=request.includes_usage)
        return Response(200, "text/event-stream", event_stream(chunks))
    return Response(200, "application/json", completion)


@api.route("GET /v1/models/{model}/route", Scope.INFER)
def get_route(model: Name, user: UserKey) -> RouteView:
    """The versions that answer a user, in the order in which they are tried."""
    deployment = app.models.deployment(api.tenant, model)
    chosen = route(deployment, user, user)
    return RouteView(arm=chosen.arm, versions=list(chosen.versions), step=deployment.step)
