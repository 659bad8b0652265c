"""Chats on Bedrock: OpenAI's requests in Converse's format, and Converse's answers in OpenAI's, whole or streamed.

Fields that only describe a call (user, metadata, seed) have no counterpart in Converse and are left out. Every field
that would change the answer is translated, or refused by name. If `parallel_tool_calls` is false, only the first tool
call of an answer is passed on, as Converse has no such setting.
"""

import json
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Iterable, Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from tuneloop.domain.chat.messages import PROMPT_ROLES, parse_json_text
from tuneloop.domain.core.errors import ProviderRefused
from tuneloop.domain.core.redaction import safe_name
from tuneloop.openai_wire.chat import ChatChunk, ChatCompletion, ChunkChoice, CompletionUsage
from tuneloop.providers.answers import chunk_in, completion_in
from tuneloop.providers.bedrock.base_models import serving_id

Json = dict[str, Any]
TRANSLATED_FIELDS = frozenset(
    {"model", "messages", "temperature", "top_p", "max_tokens", "max_completion_tokens", "stop", "tools", "tool_choice"}
    | {"response_format"}
)
IGNORED_FIELDS = frozenset(
    {"user", "safety_identifier", "metadata", "store", "seed", "n", "stream", "stream_options", "service_tier"}
    | {"parallel_tool_calls", "prompt_cache_key"}
)
FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}
# Converse takes temperatures from 0 to 1 where OpenAI takes up to 2: a hotter one is refused, not cut.
HIGHEST_TEMPERATURE = 1.0
IMAGE_FORMATS = {"image/png": "png", "image/jpeg": "jpeg", "image/gif": "gif", "image/webp": "webp"}


def converse_request(request: Mapping[str, Any]) -> Json:
    """A chat request in Converse's format; ProviderRefused for a field that has no counterpart there."""
    for name, value in request.items():
        if value and name not in TRANSLATED_FIELDS | IGNORED_FIELDS:
            raise _refusal(f"{safe_name(name)} has no counterpart on Bedrock: leave it out.", safe_name(name))
    system, messages = _conversation(request["messages"])
    converse: Json = {"modelId": serving_id(request["model"]), "messages": messages}
    optional = {
        "system": system,
        "inferenceConfig": _inference_config(request),
        "toolConfig": _tool_config(request, messages),
        "outputConfig": _output_config(request.get("response_format")),
    }
    return converse | {name: value for name, value in optional.items() if value}


def allows_parallel_calls(request: Mapping[str, Any]) -> bool:
    """Whether an answer may call several tools, a setting that Converse doesn't have."""
    return request.get("parallel_tool_calls") is not False


def completion_of(answer: Mapping[str, Any], model: str, *, parallel_calls: bool = True) -> ChatCompletion:
    """Converse's answer as a chat completion of OpenAI's."""
    blocks = answer["output"]["message"]["content"]
    texts = [block["text"] for block in blocks if "text" in block]
    calls = [_tool_call(block["toolUse"]) for block in blocks if "toolUse" in block][: None if parallel_calls else 1]
    content = "".join(texts) if texts or not calls else None
    message = {"role": "assistant", "content": content, **({"tool_calls": calls} if calls else {})}
    choice = {"message": message, "finish_reason": FINISH_REASONS.get(answer["stopReason"], "stop")}
    completion = completion_in({**_head(answer, model), "choices": [choice]})
    return completion.model_copy(update={"usage": _usage(answer.get("usage"))})


def chunks_of(answer: Mapping[str, Any], model: str, *, parallel_calls: bool = True) -> Iterator[ChatChunk]:
    """ConverseStream's answer as chunks of OpenAI's, the usage last."""
    head = _head(answer, model)
    call_indices: dict[int, int] = {}
    for event in answer["stream"]:
        ((kind, payload),) = event.items()
        if kind == "metadata":
            yield ChatChunk(**head, usage=_usage(payload.get("usage")))
        elif kind == "messageStop":
            end = ChunkChoice(finish_reason=FINISH_REASONS.get(payload["stopReason"], "stop"))
            yield ChatChunk(**head, choices=[end])
        elif (delta := _delta(kind, payload, call_indices)) and (parallel_calls or not _is_further_call(delta)):
            yield chunk_in({**head, "choices": [{"delta": delta}]})


def _is_further_call(delta: Json) -> bool:
    return any(call["index"] for call in delta.get("tool_calls", ()))


def _delta(kind: str, payload: Json, call_indices: dict[int, int]) -> Json | None:
    """The fields that an event adds to the message; `call_indices` numbers tool calls by block, in their order."""
    if kind == "messageStart":
        return {"role": "assistant", "content": ""}
    block = payload.get("contentBlockIndex", 0)
    if kind == "contentBlockStart" and (use := payload["start"].get("toolUse")):
        index = call_indices.setdefault(block, len(call_indices))
        function = {"name": use["name"], "arguments": ""}
        return {"tool_calls": [{"index": index, "id": use["toolUseId"], "type": "function", "function": function}]}
    if kind == "contentBlockDelta" and "text" in payload["delta"]:
        return {"content": payload["delta"]["text"]}
    if kind == "contentBlockDelta" and (use := payload["delta"].get("toolUse")):
        return {"tool_calls": [{"index": call_indices.get(block, 0), "function": {"arguments": use["input"]}}]}
    return None


def _head(answer: Mapping[str, Any], model: str) -> Json:
    metadata = answer.get("ResponseMetadata", {})
    date = metadata.get("HTTPHeaders", {}).get("date")
    created = int(parsedate_to_datetime(date).timestamp()) if date else 0
    return {"id": f"chatcmpl-{metadata.get('RequestId', '')}", "created": created, "model": model}


def _usage(fields: Mapping[str, Any] | None) -> CompletionUsage | None:
    """Bedrock's usage under OpenAI's names, without Bedrock's own fields; None if there is no usage."""
    if fields is None:
        return None
    usage = CompletionUsage.model_validate(fields)
    return CompletionUsage.model_validate(usage.model_dump(include=set(CompletionUsage.model_fields)))


def _tool_call(use: Json) -> Json:
    arguments = json.dumps(use["input"], ensure_ascii=False, separators=(",", ":"))
    return {"id": use["toolUseId"], "type": "function", "function": {"name": use["name"], "arguments": arguments}}


def _conversation(messages: Iterable[Json]) -> tuple[list[Json], list[Json]]:
    """The blocks of the system prompt, and the turns; neighbours of one role are merged, as Converse's alternate."""
    system: list[Json] = []
    turns: list[Json] = []
    for message in messages:
        if message["role"] in PROMPT_ROLES:
            system += _parts(message)
            continue
        role = "assistant" if message["role"] == "assistant" else "user"
        blocks = _blocks(message)
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        else:
            turns.append({"role": role, "content": blocks})
    return system, turns


def _blocks(message: Json) -> list[Json]:
    if message["role"] == "tool":
        result = {"toolUseId": message.get("tool_call_id"), "content": _parts(message) or [{"text": " "}]}
        return [{"toolResult": result}]
    if message["role"] == "function" or message.get("function_call"):
        raise _refusal("Calls of functions are of OpenAI's older form: send them as `tool_calls`.", "messages")
    return _parts(message) + [{"toolUse": _tool_use(call)} for call in message.get("tool_calls") or ()]


def _tool_use(call: Json) -> Json:
    function = call.get("function") or {}
    text = function.get("arguments") or "{}"
    try:
        arguments = parse_json_text(text) if isinstance(text, str) else None
    except ValueError:
        arguments = None
    if not isinstance(arguments, dict):
        raise _refusal("The arguments of a call have to be a JSON object, written as a string.", "messages")
    return {"toolUseId": call.get("id"), "name": function.get("name"), "input": arguments}


def _parts(message: Json) -> list[Json]:
    content = message.get("content")
    if isinstance(content, list):
        return [_part(part) for part in content]
    return [{"text": content}] if content else []


def _part(part: Json) -> Json:
    match part:
        case {"type": "text" | "refusal", "text": str(text)}:
            return {"text": text}
        case {"type": "image_url", "image_url": {"url": str(url)}}:
            return {"image": _image(url)}
    raise _refusal("Bedrock is sent texts and images only.", "messages")


def _image(url: str) -> Json:
    head, _, data = url.partition(",")
    kind = IMAGE_FORMATS.get(head.removeprefix("data:").removesuffix(";base64"))
    if not (head.startswith("data:") and head.endswith(";base64") and kind):
        kinds = ", ".join(IMAGE_FORMATS)
        raise _refusal(f"Bedrock fetches no images: send one as a `data:` URL in base64, of {kinds}.", "messages")
    try:
        return {"format": kind, "source": {"bytes": b64decode(data, validate=True)}}
    except NotBase64:
        raise _refusal("The data of an image isn't base64.", "messages") from None


def _inference_config(request: Mapping[str, Any]) -> Json:
    temperature = request.get("temperature")
    if temperature is not None and temperature > HIGHEST_TEMPERATURE:
        raise _refusal(f"temperature is {temperature:g}: Bedrock takes 0 to {HIGHEST_TEMPERATURE:g}.", "temperature")
    stop = request.get("stop")
    named = {
        "maxTokens": request.get("max_completion_tokens") or request.get("max_tokens"),
        "temperature": temperature,
        "topP": request.get("top_p"),
        "stopSequences": [stop] if isinstance(stop, str) else stop,
    }
    return {name: value for name, value in named.items() if value is not None}


def _tool_config(request: Mapping[str, Any], messages: list[Json]) -> Json:
    """The tools, which Converse requires in every request whose conversation has used some, even for choice `none`."""
    choice = request.get("tool_choice")
    used = any("toolUse" in block or "toolResult" in block for turn in messages for block in turn["content"])
    if choice == "none" and not used:
        return {}
    tools = [_tool(tool) for tool in request.get("tools") or ()]
    if not tools:
        return {}
    return {"tools": tools, **({"toolChoice": chosen} if (chosen := _tool_choice(choice)) else {})}


def _tool(tool: Json) -> Json:
    function = tool.get("function")
    if tool.get("type") != "function" or not isinstance(function, dict):
        raise _refusal("Bedrock is sent tools of the type `function` only.", "tools")
    schema = {"json": function.get("parameters") or {"type": "object", "properties": {}}}
    described = {"description": text} if (text := function.get("description")) else {}
    return {"toolSpec": {"name": function.get("name"), **described, "inputSchema": schema}}


def _tool_choice(choice: Any) -> Json | None:
    match choice:
        case None | "auto":
            return None
        case "required":
            return {"any": {}}
        case {"type": "function", "function": {"name": str(name)}}:
            return {"tool": {"name": name}}
    raise _refusal("tool_choice has to be auto, required or a function here: Bedrock has no other.", "tool_choice")


def _output_config(response_format: Any) -> Json:
    match response_format:
        case None | {"type": "text"}:
            return {}
        case {"type": "json_schema", "json_schema": {"schema": dict(schema), **more}}:
            named = {name: more[name] for name in ("name", "description") if more.get(name)}
            structure = {"jsonSchema": {"schema": json.dumps(schema), **named}}
            return {"textFormat": {"type": "json_schema", "structure": structure}}
    raise _refusal("response_format has to be text or json_schema: Bedrock has no other.", "response_format")


def _refusal(message: str, param: str) -> ProviderRefused:
    return ProviderRefused(message, param=param, code="not_supported")
