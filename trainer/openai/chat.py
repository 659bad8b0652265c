"""`POST /v1/chat/completions`, as a plain Starlette route: an evaluation sends thousands, so FastAPI's cost matters."""

from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from trainer.completions import complete
from trainer.context import context_of
from trainer.openai.errors import invalid
from trainer.openai.models import no_such_model
from tuneloop.openai_wire.chat import ChatRequest, chunks_of
from tuneloop.openai_wire.sse import MEDIA_TYPE, events


async def chat(request: Request) -> Response:
    """Answer a conversation, whole or as a stream."""
    try:
        chat_request = ChatRequest.model_validate_json(await request.body())
    except ValidationError as error:
        raise invalid(error) from None
    cache = context_of(request).model_cache
    model = cache.get_cached(chat_request.model) or await run_in_threadpool(cache.load, chat_request.model)
    if not model:
        raise no_such_model(chat_request.model)
    completion = complete(model, chat_request)
    if chat_request.stream:
        return StreamingResponse(
            events(chunks_of(completion, include_usage=chat_request.includes_usage)), media_type=MEDIA_TYPE
        )
    return Response(completion.model_dump_json(), media_type="application/json")
