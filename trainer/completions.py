"""Chat completions: the cache of loaded models, and a model's reply in OpenAI's shape."""

from collections import OrderedDict
from functools import lru_cache
from threading import Lock

from trainer.engine.examples import Reply
from trainer.engine.model import AnsweringModel
from trainer.engine.selection import load_model
from trainer.engine.text import Turn
from trainer.engine.tokens import cut_to, tokens_in, tokens_in_turns
from trainer.engine.zero_shot import ZeroShotModel
from trainer.ids import new_id, now_s
from trainer.storage.models import ModelStore, base_model
from tuneloop.openai_wire.chat import AnswerMessage, ChatCompletion, ChatRequest, Choice, CompletionUsage

# Bounds memory: a loaded model has up to 80 MB of weights, 20 million in float32 (`linear.MAX_WEIGHTS`).
MAX_CACHED_MODELS = 8


class ModelCache:
    """Models by id, loaded from disk when first needed; the `MAX_CACHED_MODELS` used last stay in memory."""

    def __init__(self, models: ModelStore) -> None:
        self._models = models
        self._base_model = ZeroShotModel()
        self._cached: OrderedDict[str, AnsweringModel] = OrderedDict()
        self._lock = Lock()

    def get_cached(self, model_id: str) -> AnsweringModel | None:
        """Return a model if it is in memory, else None."""
        if base_model(model_id):
            return self._base_model
        with self._lock:
            if model_id in self._cached:
                self._cached.move_to_end(model_id)
            return self._cached.get(model_id)

    def load(self, model_id: str) -> AnsweringModel | None:
        """Load a model from disk; None if there is no model with this id."""
        if not self._models.get(model_id):
            return None
        model = load_model(self._models.folder(model_id))
        with self._lock:
            self._cached[model_id] = model
            while len(self._cached) > MAX_CACHED_MODELS:
                self._cached.popitem(last=False)
        return model

    def forget(self, model_id: str) -> None:
        """Remove a model from memory."""
        with self._lock:
            self._cached.pop(model_id, None)


def complete(model: AnsweringModel, request: ChatRequest) -> ChatCompletion:
    """Return a model's answer to a request."""
    turns = [Turn(message.role, message.text) for message in request.messages]
    message, finish_reason, answer_tokens = _answer_message(model.answer(turns), request.answer_token_limit)
    prompt_tokens = tokens_in_turns(turns)
    return ChatCompletion(
        id=new_id("chatcmpl"),
        created=now_s(),
        model=request.model,
        choices=[Choice(message=message, finish_reason=finish_reason)],
        usage=CompletionUsage(
            prompt_tokens=prompt_tokens,
            completion_tokens=answer_tokens,
            total_tokens=prompt_tokens + answer_tokens,
        ),
    )


def _answer_message(reply: Reply, limit: int | None) -> tuple[AnswerMessage, str, int]:
    """Return a reply as a message, its finish reason, and its tokens; text is cut off after `limit` tokens."""
    if reply.calls:
        calls = [{"id": new_id("call"), "type": "function", "function": call} for call in reply.functions]
        return AnswerMessage(content=reply.content, tool_calls=calls), "tool_calls", _token_count(reply)
    if limit and _token_count(reply) > limit:
        return AnswerMessage(content=cut_to(reply.content or "", limit)), "length", limit
    return AnswerMessage(content=reply.content), "stop", _token_count(reply)


# Most models give few different replies to the thousands of questions of an evaluation: each is counted once.
@lru_cache(maxsize=4_096)
def _token_count(reply: Reply) -> int:
    return tokens_in(reply.content or "") + tokens_in(reply.calls)
