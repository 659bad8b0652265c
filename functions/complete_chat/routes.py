"""The serving routes: chat completions in OpenAI's shape, the list of models, and a user's route."""

from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Path
from pydantic import BaseModel

from complete_chat.complete import ChatAnswer, CompleteChat, version_of
from tuneloop.api.router import Api, Name, UserKey
from tuneloop.app import app, new_nonce, utc_now
from tuneloop.domain.core.access import Scope
from tuneloop.domain.datasets.drops import is_file_id
from tuneloop.domain.serving.holds import describe_wait
from tuneloop.domain.serving.routing import MODEL_PATTERN, Arm, parse_model_name, route
from tuneloop.openai_wire.chat import ChatRequest, chunks_of
from tuneloop.openai_wire.models import ModelList, ModelObject
from tuneloop.openai_wire.sse import MEDIA_TYPE
from tuneloop.openai_wire.sse import body as event_stream

# Seconds reserved for sending the usage to its queue, once the provider has answered: longer than all tries of that
# call together may take.
USAGE_MARGIN_S = 1.7
AnyModel = Annotated[str, Path(pattern=MODEL_PATTERN)]

api = Api(app)

ANSWERS = {
    200: {
        "description": "The answer; with `stream: true` in lines of `data: {chat.completion.chunk}`, then `[DONE]`.",
        "content": {"application/json": {"model": ChatAnswer}, MEDIA_TYPE: {"schema": {"type": "string"}}},
    }
}


class ServedModel(ModelObject):
    """A model that chat completions can name; `waiting_for` says why no better version is activated by itself."""

    waiting_for: str | None = None


class RouteView(BaseModel):
    """A user's route: the arm, and the versions in the order in which they are tried."""

    arm: Arm
    versions: list[int]
    step: int


@api.route("GET /v1/models", Scope.READ)
def list_models() -> ModelList:
    """The tenant's models in OpenAI's list shape; of uploaded files only those that a model was trained on."""
    return ModelList(
        data=[
            ModelObject(id=model.id, created=int(model.created_at.timestamp()), owned_by=api.tenant)
            for model in app.models.all(api.tenant)
            if model.latest_version or not is_file_id(model.id)
        ]
    )


@api.route("GET /v1/models/{model}", Scope.READ)
def get_model(model: AnyModel) -> ServedModel:
    """A model by its name, or a version of it by `model:version`, as a job's `fine_tuned_model` names it.

    `waiting_for` says why no better version is activated by itself, null if one may be.
    """
    name, number = parse_model_name(model)
    created = app.models.get(api.tenant, name).created_at
    if number is not None:
        created = version_of(api.tenant, name, number, models=app.models).created_at
    wait = describe_wait(name, app.models.deployment_with_hold(api.tenant, name).hold)
    return ServedModel(id=model, created=int(created.timestamp()), owned_by=api.tenant, waiting_for=wait)


@api.route("POST /v1/chat/completions", Scope.INFER, responses=ANSWERS)
def create_chat_completion(request: ChatRequest) -> Response[ChatAnswer | str]:
    """Answer a chat with the version that serves its user; `stream: true` is answered as one buffered event stream."""
    completion = CompleteChat(app.models, app.providers, app.usage_queue).complete(
        api.tenant,
        request,
        nonce=new_nonce(),
        now=utc_now(),
        remaining_s=lambda: app.remaining_s - USAGE_MARGIN_S,
    )
    if request.stream:
        chunks = chunks_of(completion, include_usage=request.includes_usage)
        return Response(200, MEDIA_TYPE, event_stream(chunks))
    return Response(200, "application/json", completion)


@api.route("GET /v1/models/{model}/route", Scope.INFER)
def get_route(model: Name, user: UserKey) -> RouteView:
    """The versions that answer a user, in the order in which they are tried."""
    deployment = app.models.deployment(api.tenant, model)
    user_route = route(deployment, user, user)
    return RouteView(arm=user_route.arm, versions=list(user_route.versions), step=deployment.step)
