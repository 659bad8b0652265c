"""Line checks: a line of a file becomes a `CheckedLine`, or a list of the problems that make it unusable.

`fast_check` decodes a line with the strict types of `fast_schema`; a line that fits them is valid. Any other line is
undecided and goes through `full_check`, which applies the rules of `domain.chat.rules` and names what is wrong. For a
line that both accept, both return equal tokens, hashes and flags. On the fast path most of the time goes into counting
tokens.
"""

import sys
from collections.abc import Iterator
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple

import msgspec
import orjson
from msgspec import UNSET

from tuneloop.domain.chat.examples import OWN_FIELDS, Example, Problem
from tuneloop.domain.chat.messages import PROMPT_ROLES, JsonObject, canonical, is_deeper, text_of
from tuneloop.domain.chat.normalization import normalize_tools
from tuneloop.domain.chat.rules.conversations import functions_in, tools_problems
from tuneloop.domain.chat.templates import Template
from tuneloop.domain.core.limits import JSON_DEPTH, LINE_PARTS
from tuneloop.domain.datasets.records import Record, read_record
from tuneloop.validation.fast_schema import (
    Assistant,
    BareLine,
    CalledFunction,
    ChatLine,
    Developer,
    Message,
    PreferenceLine,
    System,
    Tool,
    User,
    count_typed_images,
    follows_rules,
    is_trained_on,
    plain_messages,
    says_something,
    typed_text,
)
from tuneloop.validation.line_parser import has_large_number, has_too_many_parts, isolate_line, record_of
from tuneloop.validation.tokens import (
    PER_EXAMPLE,
    PER_MESSAGE,
    PER_NAME,
    PER_ROLE,
    count_content,
    count_repeated,
    count_short,
    count_texts,
)

PROMPT_MESSAGES = (System, Developer)
MESSAGE_TOKENS = PER_MESSAGE + PER_ROLE
# Up to this length an answer is likely to be shared by many examples, as labels are, so its token count is cached.
CACHED_ANSWER_CHARACTERS = 100
# Checked tools up to this size are cached, as a file has few different ones; the cache holds at most 256 of them.
CACHED_TOOLS_BYTES = 1 << 14
PAIR_KEY = b'"preferred_output"'  # only a key looks like this: in a text the quotes would be escaped
# A valid row. A line's own fields are checked by adding them to it, so that the rules can object to them alone.
MINIMAL_ROW: JsonObject = {"messages": [{"role": "user", "content": "?"}, {"role": "assistant", "content": "!"}]}
DECODE_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

decode_line = msgspec.json.Decoder(BareLine).decode
_decode_chat = msgspec.json.Decoder(ChatLine).decode
_decode_pair = msgspec.json.Decoder(PreferenceLine).decode
_decode_arguments = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode


class CheckedLine(msgspec.Struct):
    """The result of checking a valid line.

    `answer` is None if the last message calls functions. `content` is a hash of 64 bits. `characters` is the total
    length of the user messages, None if there are none.
    """

    tokens: int
    answer: str | None
    content: int
    is_preference: bool
    has_system: bool
    has_broken_arguments: bool
    calls_unknown: bool
    characters: int | None


class Tools(NamedTuple):
    """The checked tools of an example: their canonical JSON, its tokens, and the names of the functions."""

    text: bytes
    tokens: int
    names: frozenset[str]


NO_TOOLS = Tools(b"", 0, frozenset())


class MessageSummary(NamedTuple):
    """The figures of a conversation: `texts` are still to be counted, `tokens` is the count of everything else.

    `is_plain` is true if the messages hold text and nothing else, so that no rule beyond the types applies.
    `characters` is the total length of the user messages, None if there are none.
    """

    texts: list[str]
    tokens: int
    is_plain: bool
    has_system: bool
    characters: int | None


def check_line(line: bytes | None, number: int, template: Template | None = None) -> CheckedLine | list[Problem]:
    """Check a line of a file (None: a line that is too long); any error becomes a problem of the line."""
    return isolate_line(number, _check, line, number, template)


def _check(line: bytes | None, number: int, template: Template | None) -> CheckedLine | list[Problem]:
    return (line and fast_check(line)) or full_check(record_of(line, number), template)


def fast_check(line: bytes) -> CheckedLine | None:
    """Fast path: decode a line with the strict types. None means undecided: the full rules must be applied."""
    if len(line) > LINE_PARTS and has_too_many_parts(line):
        return None
    try:
        bare = decode_line(line)
    except DECODE_ERRORS:
        return _check_pair(line) if PAIR_KEY in line else _check_chat(line)
    return _check_supervised(bare.messages, bare.tools, bare.parallel_tool_calls)


def _check_supervised(messages: list[Message], tools: msgspec.Raw, parallel: bool | None) -> CheckedLine | None:
    """Check the messages of a supervised line; None if none of them is trained on, or if they break a rule."""
    last = messages[-1]
    if not isinstance(last, Assistant) or not (last.weight != 0 or any(map(is_trained_on, messages))):
        return None
    return _check_messages(messages, [], tools, parallel)


def _check_chat(line: bytes) -> CheckedLine | None:
    """Check a supervised line with Tuneloop's own fields, or with empty fields; None means undecided."""
    try:
        chat = _decode_chat(line)
    except DECODE_ERRORS:
        return None
    if not _are_own_fields_valid(chat):
        return None
    return _check_supervised(plain_messages(chat.messages), chat.tools, chat.parallel_tool_calls)


def _check_pair(line: bytes) -> CheckedLine | None:
    """Check a preference line; None means undecided."""
    try:
        pair = _decode_pair(line)
    except DECODE_ERRORS:
        return None
    prompt = plain_messages(pair.input.messages)
    preferred, other = (
        Assistant(content=output[0].content) for output in (pair.preferred_output, pair.non_preferred_output)
    )
    is_weightless = all(not isinstance(message, Assistant) or message.weight is UNSET for message in prompt)
    is_fit = is_weightless and says_something(other) and typed_text(preferred.content) != typed_text(other.content)
    if not is_fit or any(map(count_typed_images, prompt)) or not _are_own_fields_valid(pair):
        return None
    return _check_messages([*prompt, preferred], [other], pair.input.tools, pair.input.parallel_tool_calls)


def read_own_fields(line: bytes) -> Example | None:
    """A placeholder example with the own fields of a supervised line that passed `fast_check`; None if it has none."""
    try:
        decode_line(line)
    except DECODE_ERRORS:
        example = _read_own(_decode_chat(line))
        return example if isinstance(example, Example) else None
    return None


def _are_own_fields_valid(line: ChatLine | PreferenceLine) -> bool:
    """Whether a line's own fields are valid by the rules."""
    return not isinstance(_read_own(line), list)


def _read_own(line: ChatLine | PreferenceLine) -> Example | list[Problem] | None:
    """A placeholder example with a line's own fields, or the problems of these fields; None if the line has none."""
    fields = {name: value for name in OWN_FIELDS if (value := getattr(line, name)) is not UNSET}
    return read_record(Record(1, MINIMAL_ROW | fields)) if fields else None


def _summarize(turns: list[Message]) -> MessageSummary:
    """Collect the texts of messages that are to be counted together, and count the rest."""
    texts: list[str] = []
    tokens, is_plain, has_system = MESSAGE_TOKENS * len(turns), True, False
    characters: int | None = None
    for turn in turns:
        text = turn.content
        if not isinstance(text, str):
            text, is_plain = typed_text(text), False
        if isinstance(turn, User):
            texts.append(text)
            characters = (characters or 0) + len(text)
        elif isinstance(turn, Assistant) and not turn.tool_calls:
            if turn.weight is not UNSET or not text or text.isspace():
                is_plain = False
            if len(text) <= CACHED_ANSWER_CHARACTERS:
                tokens += count_short(text)
            else:
                texts.append(text)
        elif isinstance(turn, PROMPT_MESSAGES):
            tokens, has_system = tokens + count_repeated(text), True
        else:
            is_plain = False
            texts += [text, _encode([turn.tool_call_id if isinstance(turn, Tool) else turn.tool_calls]).decode()]
        if turn.name is not None:
            tokens, is_plain = tokens + PER_NAME, False
            texts.append(turn.name)
    return MessageSummary(texts, tokens, is_plain, has_system, characters)


def _check_messages(
    turns: list[Message], other: list[Message], raw_tools: msgspec.Raw, parallel: bool | None
) -> CheckedLine | None:
    """Check a conversation, and the rejected answer `other` if there is one; None if it breaks a rule."""
    texts, tokens, is_plain, has_system, characters = _summarize(turns + other if other else turns)
    tools = _tools_of(raw_tools)
    if tools is None or not (is_plain or follows_rules(turns)):
        return None
    calls = () if is_plain else tuple(_calls_in(turns))
    last = turns[-1]
    answer = None if isinstance(last, Assistant) and last.tool_calls else typed_text(last.content)
    return CheckedLine(  # positional, since keyword arguments take twice as long
        PER_EXAMPLE + tools.tokens + tokens + count_texts(texts),
        answer,
        _hash(turns, other, is_plain, (parallel, tools.text)),
        bool(other),
        has_system,
        calls != () and not all(_is_object(call.arguments) for call in calls),
        calls != () and not all(call.name in tools.names for call in calls),
        characters,
    )


def _calls_in(turns: list[Message]) -> Iterator[CalledFunction]:
    for turn in turns:
        if isinstance(turn, Assistant):
            yield from (call.function for call in turn.tool_calls or ())


def full_check(record: Record, template: Template | None = None) -> CheckedLine | list[Problem]:
    """Slow path: check a record by the rules, and return its problems if it breaks any."""
    example = read_record(record, template=template)
    if not isinstance(example, Example):
        return example
    content, messages = example.content, example.messages
    tools, other = content.get("tools") or [], content.get("non_preferred_output", [])
    calls = [function for message in messages for function in _functions_called(message)]
    names = {function["name"] for function in functions_in(tools)}
    user_texts = [text_of(message) for message in messages if message["role"] == "user"]
    has_calls = messages[-1].get("tool_calls") or messages[-1].get("function_call")
    answer = None if has_calls else text_of(messages[-1])
    return CheckedLine(
        tokens=count_content(content),
        answer=answer,
        content=_hash_of(content),
        is_preference=bool(other),
        has_system=any(message["role"] in PROMPT_ROLES for message in messages),
        has_broken_arguments=any(not _is_object(call["arguments"]) for call in calls),
        calls_unknown=any(call["name"] not in names for call in calls),
        characters=sum(map(len, user_texts)) if user_texts else None,
    )


def _functions_called(message: JsonObject) -> list[JsonObject]:
    """The functions that a valid message calls, in `tool_calls` or in the older `function_call`."""
    older = message.get("function_call")
    return [*(call["function"] for call in message.get("tool_calls", ())), *([older] if older else [])]


def _hash_of(content: JsonObject) -> int:
    """The content hash of an example, equal to that of the fast path for equal content."""
    tools = canonical(content["tools"]).encode() if content.get("tools") else b""
    try:
        turns = msgspec.convert(content["messages"], list[Message])
        other = msgspec.convert(content.get("non_preferred_output", []), list[Message])
    except msgspec.ValidationError:
        return _digest(canonical(content).encode())
    is_plain = _summarize(turns + other)[2]
    return _hash(turns, other, is_plain, (content.get("parallel_tool_calls"), tools))


def _hash(turns: list[Message], other: list[Message], is_plain: bool, settings: tuple[bool | None, bytes]) -> int:
    """A content hash of 64 bits, equal for equal content in this process and in processes forked from it.

    `settings` are the line's `parallel_tool_calls` and the canonical JSON of its tools. A line of plain text, as most
    are, is hashed by Python itself, which is several times as fast as encoding it for BLAKE2b.
    """
    if is_plain and CAN_FORK and not other:
        return hash((settings, *turns))
    return _digest(_encode([turns, other, settings[0]]) + settings[1])


def _digest(content: bytes) -> int:
    return int.from_bytes(blake2b(content, digest_size=8).digest(), "little", signed=True)


# Python salts its hashes of texts per process: only processes that are forked from one another share the salt.
CAN_FORK = sys.platform == "linux"


def _is_object(arguments: str) -> bool:
    """Whether the arguments of a call are a JSON object; an empty text counts as an empty object."""
    try:
        return not arguments.strip() or isinstance(_decode_arguments(arguments), dict)
    except (*DECODE_ERRORS, UnicodeEncodeError):
        return False


def _tools_of(raw: msgspec.Raw) -> Tools | None:
    """The checked tools of a line, or None if they break a rule."""
    text = bytes(raw)
    if not text:
        return NO_TOOLS
    return _read_tools_cached(text) if len(text) <= CACHED_TOOLS_BYTES else _read_tools(text)


def _read_tools(text: bytes) -> Tools | None:
    try:
        tools = normalize_tools(orjson.loads(text))
    except orjson.JSONDecodeError:
        return None
    row = {} if tools is None else {"tools": tools}
    # One level deeper, as the tools of a preference pair are: in its `input`.
    if has_large_number(text) or is_deeper({"input": row}, JSON_DEPTH) or any(tools_problems("$", row)):
        return None
    names = frozenset(function["name"] for function in functions_in(tools or []))
    return Tools(canonical(tools).encode(), count_repeated(canonical(tools)), names) if tools else NO_TOOLS


_read_tools_cached = lru_cache(maxsize=1 << 8)(_read_tools)
