"""Inspection: what there is to know about one line of a file, or its problems, as fast as this machine reads.

A line that fits the strict types is known to be valid without `domain.rules`; the others go through these, which say
what is wrong. Both ways find the same in the same line.
"""

import sys
from collections.abc import Iterator
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple

import msgspec
import orjson
from msgspec import UNSET
from msgspec.structs import astuple

from tuneloop.domain.chat.examples import Example, JsonObject, Problem, canonical, is_deeper
from tuneloop.domain.chat.messages import PROMPT_ROLES, text_of
from tuneloop.domain.chat.normalization import normalize_tools
from tuneloop.domain.chat.rules.tools import functions_in, tools_problems
from tuneloop.domain.chat.templates import Template
from tuneloop.domain.core.limits import JSON_DEPTH, LINE_PARTS
from tuneloop.domain.datasets.records import Record, read_record
from tuneloop.validation.fast_schema import (
    Assistant,
    Bare,
    Called,
    ChatLine,
    Developer,
    Message,
    PreferenceLine,
    System,
    Tool,
    User,
    count_typed_images,
    is_sound,
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

SHARED = (System, Developer)
FRAME = PER_MESSAGE + PER_ROLE
ANSWER_CHARACTERS = 100  # of an answer that other examples may have too
TOOLS_BYTES = 1 << 14
PAIR = b'"preferred_output"'  # stands in no text, where its quotes would be escaped
OURS = ("split", "subject", "group", "category", "source", "quality", "created_at")
PLAIN: JsonObject = {"messages": [{"role": "user", "content": "?"}, {"role": "assistant", "content": "!"}]}
# The texts to count, the tokens of the rest, whether texts are all that there is, whether one is the app's own, and how
# many characters are users', None where none is.
Said = tuple[list[str], int, bool, bool, int | None]
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

decode_line = msgspec.json.Decoder(Bare).decode
_marked_in = msgspec.json.Decoder(ChatLine).decode
_pair_in = msgspec.json.Decoder(PreferenceLine).decode
_arguments_in = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode


class CheckedLine(msgspec.Struct):
    """What is known of a valid line; `answer` is None where functions are called, `content` is a hash of 64 bits.

    `characters` is what users say in all, None where none of its messages is a user's.
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
    """The functions that an example offers, checked: their canonical JSON, its tokens and their names."""

    text: bytes
    tokens: int
    names: frozenset[str]


NO_TOOLS = Tools(b"", 0, frozenset())


def check_line(line: bytes | None, number: int, template: Template | None = None) -> CheckedLine | list[Problem]:
    """What a line holds, or its problems; None is a line that is too long."""
    return isolate_line(number, _inspected_line, line, number, template)


def _inspected_line(line: bytes | None, number: int, template: Template | None) -> CheckedLine | list[Problem]:
    return (line and fast_check(line)) or full_check(record_of(line, number), template)


def fast_check(line: bytes) -> CheckedLine | None:
    """What a line holds if it fits the strict types; None says nothing about it."""
    if len(line) > LINE_PARTS and has_too_many_parts(line):
        return None
    try:
        return _supervised(decode_line(line))
    except UNREADABLE:
        return _pair(line) if PAIR in line else _marked(line)


def _supervised(found: Bare) -> CheckedLine | None:
    return _conversation(found.messages, found.tools, found.parallel_tool_calls)


def _conversation(messages: list[Message], tools: msgspec.Raw, parallel: bool | None) -> CheckedLine | None:
    """What there is to know of a supervised line's messages, if something is learnt from them."""
    last = messages[-1]
    if not isinstance(last, Assistant) or not (last.weight != 0 or any(map(is_trained_on, messages))):
        return None
    return _inspected(messages, [], tools, parallel)


def _marked(line: bytes) -> CheckedLine | None:
    """What a supervised line holds that has fields of ours, or fields that say nothing."""
    try:
        found = _marked_in(line)
    except UNREADABLE:
        return None
    if not _are_sound(found):
        return None
    return _conversation(plain_messages(found.messages), found.tools, found.parallel_tool_calls)


def _pair(line: bytes) -> CheckedLine | None:
    """What a preference line holds, by the strict types."""
    try:
        found = _pair_in(line)
    except UNREADABLE:
        return None
    given, asked = found.input, plain_messages(found.input.messages)
    liked, other = (Assistant(content=each[0].content) for each in (found.preferred_output, found.non_preferred_output))
    is_weightless = all(not isinstance(message, Assistant) or message.weight is UNSET for message in asked)
    is_fit = is_weightless and says_something(other) and typed_text(liked.content) != typed_text(other.content)
    if not is_fit or any(map(count_typed_images, asked)) or not _are_sound(found):
        return None
    return _inspected([*asked, liked], [other], given.tools, given.parallel_tool_calls)


def fields_of_ours(line: bytes) -> Example | None:
    """An example with the fields of ours of a line that `quickly` takes for supervised; None where it has none."""
    try:
        decode_line(line)
    except UNREADABLE:
        found = _read_ours(_marked_in(line))
        return found if isinstance(found, Example) else None
    return None


def _are_sound(found: ChatLine | PreferenceLine) -> bool:
    """Whether the fields of ours, the last of each line, are such as the rules allow."""
    return not isinstance(_read_ours(found), list)


def _read_ours(found: ChatLine | PreferenceLine) -> Example | list[Problem] | None:
    """Any example with a line's fields of ours, or what the rules find wrong with these; None where it has none."""
    ours = astuple(found)[-len(OURS) :]
    given = {name: value for name, value in zip(OURS, ours, strict=True) if value is not UNSET}
    return read_record(Record(1, PLAIN | given)) if given else None


def _said(turns: list[Message]) -> Said:
    """What these messages say."""
    texts: list[str] = []
    tokens, is_plain, has_system = FRAME * len(turns), True, False
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
            if len(text) <= ANSWER_CHARACTERS:
                tokens += count_short(text)
            else:
                texts.append(text)
        elif isinstance(turn, SHARED):
            tokens, has_system = tokens + count_repeated(text), True
        else:
            is_plain = False
            texts += [text, _encode([turn.tool_call_id if isinstance(turn, Tool) else turn.tool_calls]).decode()]
        if turn.name is not None:
            tokens, is_plain = tokens + PER_NAME, False
            texts.append(turn.name)
    return texts, tokens, is_plain, has_system, characters


def _inspected(
    turns: list[Message], other: list[Message], raw_tools: msgspec.Raw, parallel: bool | None
) -> CheckedLine | None:
    """What there is to know of a conversation, and of the answer that was liked less; None where it breaks a rule."""
    texts, tokens, is_plain, has_system, characters = _said(turns + other if other else turns)
    tools = _tools_of(raw_tools)
    if tools is None or not (is_plain or is_sound(turns)):
        return None
    calls = () if is_plain else tuple(_calls_in(turns))
    last = turns[-1]
    answer = None if isinstance(last, Assistant) and last.tool_calls else typed_text(last.content)
    return CheckedLine(  # in the order of its fields: by their names it takes twice as long
        PER_EXAMPLE + tools.tokens + tokens + count_texts(texts),
        answer,
        _hash(turns, other, is_plain, (parallel, tools.text)),
        bool(other),
        has_system,
        calls != () and not all(_is_object(call.arguments) for call in calls),
        calls != () and not all(call.name in tools.names for call in calls),
        characters,
    )


def _calls_in(turns: list[Message]) -> Iterator[Called]:
    for turn in turns:
        if isinstance(turn, Assistant):
            yield from (call.function for call in turn.tool_calls or ())


def full_check(record: Record, template: Template | None = None) -> CheckedLine | list[Problem]:
    """What a record holds by the rules, or what they find wrong with it."""
    example = read_record(record, template=template)
    if not isinstance(example, Example):
        return example
    content, messages = example.content, example.messages
    tools, other = content.get("tools") or [], content.get("non_preferred_output", [])
    calls = [called for message in messages for called in _called_in(message)]
    names = {function["name"] for function in functions_in(tools)}
    asked = [text_of(message) for message in messages if message["role"] == "user"]
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
        characters=sum(map(len, asked)) if asked else None,
    )


def _called_in(message: JsonObject) -> list[JsonObject]:
    """The functions that a valid message calls, by `tool_calls` or by the older `function_call`."""
    older = message.get("function_call")
    return [*(call["function"] for call in message.get("tool_calls", ())), *([older] if older else [])]


def _hash_of(content: JsonObject) -> int:
    """Content hash, equal to the fast path's for the same content."""
    tools = canonical(content["tools"]).encode() if content.get("tools") else b""
    try:
        turns = msgspec.convert(content["messages"], list[Message])
        other = msgspec.convert(content.get("non_preferred_output", []), list[Message])
    except msgspec.ValidationError:
        return _digest(canonical(content).encode())
    is_plain = _said(turns + other)[2]
    return _hash(turns, other, is_plain, (content.get("parallel_tool_calls"), tools))


def _hash(turns: list[Message], other: list[Message], is_plain: bool, beside: tuple[bool | None, bytes]) -> int:
    """64 bits by which the same content is known again, in this process and those that are forked from it."""
    if is_plain and FORKS and not other:
        return hash((beside, *turns))
    return _digest(_encode([turns, other, beside[0]]) + beside[1])


def _digest(content: bytes) -> int:
    return int.from_bytes(blake2b(content, digest_size=8).digest(), "little", signed=True)


# The language's own hash is several times as fast; processes have it in common only where one is forked from the other.
FORKS = sys.platform == "linux"


def _is_object(arguments: str) -> bool:
    """Whether a call's arguments are a JSON object; none are one that is empty."""
    try:
        return not arguments.strip() or isinstance(_arguments_in(arguments), dict)
    except (*UNREADABLE, UnicodeEncodeError):
        return False


def _tools_of(raw: msgspec.Raw) -> Tools | None:
    """The tools of a line, None where they break a rule."""
    text = bytes(raw)
    if not text:
        return NO_TOOLS
    return _read_remembered(text) if len(text) <= TOOLS_BYTES else _read_tools(text)


def _read_tools(text: bytes) -> Tools | None:
    try:
        tools = normalize_tools(orjson.loads(text))
    except orjson.JSONDecodeError:
        return None
    given = {} if tools is None else {"tools": tools}
    if has_large_number(text) or is_deeper({"input": given}, JSON_DEPTH) or any(tools_problems("$", given)):
        return None
    names = frozenset(function["name"] for function in functions_in(tools or []))
    return Tools(canonical(tools).encode(), count_repeated(canonical(tools)), names) if tools else NO_TOOLS


_read_remembered = lru_cache(maxsize=1 << 8)(_read_tools)
