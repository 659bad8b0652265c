"""Converse and ConverseStream: chats with a base model or with the custom model of a deployment."""

import re
import time
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from trainer.bedrock import custom_models, deployments
from trainer.bedrock.arns import DEPLOYMENT, MODEL
from trainer.bedrock.base_models import base_named
from trainer.bedrock.errors import NOT_FOUND, NOT_READY, AwsRefusalError, invalid, not_found
from trainer.bedrock.messages import blocks_of, chat_messages
from trainer.bedrock.request_context import RequestContext
from trainer.completions import complete
from trainer.engine.model import AnsweringModel
from trainer.storage.models import BASE_MODELS
from tuneloop.openai_wire.chat import ChatCompletion, ChatRequest

_STOP_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}
_BLOCKS = frozenset({"text", "toolUse", "toolResult"})
_WORDS = re.compile(r"\s*\S+|\s+$")


def converse(context: RequestContext, request: dict[str, Any]) -> dict[str, Any]:
    """Answer a conversation, in the shape of Converse."""
    started = time.monotonic()
    blocks, reason, usage = _answer(context, request)
    return {
        "output": {"message": {"role": "assistant", "content": blocks}},
        "stopReason": reason,
        "usage": usage,
        "metrics": {"latencyMs": round((time.monotonic() - started) * 1000)},
    }


def converse_stream(context: RequestContext, request: dict[str, Any]) -> list[dict[str, Any]]:
    """Answer a conversation as a list of events, in the shape of ConverseStream."""
    started = time.monotonic()
    blocks, reason, usage = _answer(context, request)
    events: list[dict[str, Any]] = [{"messageStart": {"role": "assistant"}}]
    for index, block in enumerate(blocks):
        events += _block_events(index, block)
    metrics = {"latencyMs": round((time.monotonic() - started) * 1000)}
    return [*events, {"messageStop": {"stopReason": reason}}, {"metadata": {"usage": usage, "metrics": metrics}}]


def _block_events(index: int, block: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the events of a block: a text word by word, the use of a tool with its input at once."""
    position = {"contentBlockIndex": index}
    if use := block.get("toolUse"):
        yield {
            "contentBlockStart": {
                "start": {"toolUse": {"toolUseId": use["toolUseId"], "name": use["name"]}},
                **position,
            }
        }
        deltas = [{"toolUse": {"input": orjson.dumps(use["input"]).decode()}}]
    else:
        deltas = [{"text": word} for word in _WORDS.findall(block["text"])]
    for delta in deltas:
        yield {"contentBlockDelta": {"delta": delta, **position}}
    yield {"contentBlockStop": position}


def _answer(context: RequestContext, request: dict[str, Any]) -> tuple[list[dict[str, Any]], str, dict[str, int]]:
    """Return the blocks of the answer, its stop reason, and its usage."""
    model = _load_model(context, _model_id_of(context, request["modelId"]))
    completion = complete(model, _chat_request(request))
    choice = completion.choices[0]
    blocks, reason = blocks_of(choice.message), _STOP_REASONS[choice.finish_reason or "stop"]
    for stop in request.get("inferenceConfig", {}).get("stopSequences", ()):
        if "text" in blocks[0] and stop in blocks[0]["text"]:
            blocks, reason = [{"text": blocks[0]["text"].partition(stop)[0]}], "stop_sequence"
    return blocks, reason, _usage(completion)


def _usage(completion: ChatCompletion) -> dict[str, int]:
    usage = completion.usage
    prompt, answer = (usage.prompt_tokens or 0, usage.completion_tokens or 0) if usage else (0, 0)
    return {"inputTokens": prompt, "outputTokens": answer, "totalTokens": prompt + answer}


def _chat_request(request: Mapping[str, Any]) -> ChatRequest:
    messages, system = request.get("messages", []), request.get("system", [])
    blocks = [block for message in messages for block in message["content"]] + list(system)
    if any(not block.keys() <= _BLOCKS for block in blocks):
        raise invalid("This model reads text, toolUse and toolResult only.")
    if not messages or messages[0]["role"] != "user":
        raise invalid("A conversation must start with a user message.")
    chat = chat_messages(system, messages)
    if not any(message["role"] != "system" for message in chat):
        raise invalid("The conversation says nothing.")
    limit = request.get("inferenceConfig", {}).get("maxTokens")
    return ChatRequest.model_validate({"model": request["modelId"], "messages": chat, "max_tokens": limit})


def _model_id_of(context: RequestContext, identifier: str) -> str:
    """Return the trainer's id of the model that a request names: a base model, or that of an active deployment."""
    if base_named(identifier, context.region):
        return BASE_MODELS[0].id
    if f":{MODEL}/" in identifier:
        raise invalid("A custom model can't be invoked on demand: deploy it, and name the deployment's ARN.")
    if f":{DEPLOYMENT}/" not in identifier:
        raise AwsRefusalError(NOT_FOUND, "The modelId names no model of this server.")
    deployment = deployments.find(context, identifier)
    if deployments.status_of(context, deployment) != deployments.ACTIVE:
        raise AwsRefusalError(NOT_READY, "The deployment is not active yet.")
    return custom_models.find(context, deployments.model_served(context, deployment))[1]


def _load_model(context: RequestContext, model_id: str) -> AnsweringModel:
    cache = context.trainer.model_cache
    model = cache.get_cached(model_id) or cache.load(model_id)
    if model is None:
        raise not_found("custom model")
    return model
