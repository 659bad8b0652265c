"""Line checks: one line of a file as a `CheckedLine`, or as the problems for which it can't be used.

`fast_check` decodes a line with the strict types of `fast_schema`; a line that fits them is valid. Any other line is
undecided and goes through `full_check`, by the rules of `domain.chat.rules`, which say what is wrong. Both give the
same for the same line: tokens, hashes and flags. On the fast path a line costs little beside counting its tokens.
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

from tuneloop.domain.chat.examples import Example, Problem
from tuneloop.domain.chat.messages import PROMPT_ROLES, JsonObject, canonical, is_deeper, text_of
from tuneloop.domain.chat.normalization import normalize_tools
from tuneloop.domain.chat.rules.conversations import functions_in, tools_problems
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

SHARED = (System, Developer)
FRAME = PER_MESSAGE + PER_ROLE
# Up to this length an answer may be one that many examples share, such as a label, so that its token count is cached.
ANSWER_CHARACTERS = 100
# Up to this size checked tools are cached, of which a file has few that differ: at most 256 times this is kept.
TOOLS_BYTES = 1 << 14
PAIR = b'"preferred_output"'  # a key for sure: in a text its quotes would be escaped
OURS = ("split", "subject", "group", "category", "source", "quality", "created_at")
# A valid row, to which a line's fields of ours are added so that the rules check them alone.
PLAIN: JsonObject = {"messages": [{"role": "user", "content": "?"}, {"role": "assistant", "content": "!"}]}
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

decode_line = msgspec.json.Decoder(Bare).decode
_decode_chat = msgspec.json.Decoder(ChatLine).decode
_decode_pair = msgspec.json.Decoder(PreferenceLine).decode
_decode_arguments = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode


class CheckedLine(msgspec.Struct):
    """What the checks give of a valid line.

    `answer` is None where functions are called; `content` is a hash of 64 bits; `characters` is the length of all user
    messages together, None where there is none.
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
    """The checked tools of an example: canonical JSON, tokens of that, and the names of the functions."""

    text: bytes
    tokens: int
    names: frozenset[str]


NO_TOOLS = Tools(b"", 0, frozenset())


class Measured(NamedTuple):
    """What messages say, as far as it has to be counted: `texts` are still to be counted, `tokens` are the rest.

    `is_plain`: they are texts and nothing else, so that no rule beyond the types has to be checked. `characters` is the
    length of all user messages, None where there is none.
    """

    texts: list[str]
    tokens: int
    is_plain: bool
    has_system: bool
    characters: int | None


def check_line(line: bytes | None, number: int, template: Template | None = None) -> CheckedLine | list[Problem]:
    """Check a line of a file; None stands for a line that is too long. Whatever fails is a problem of the line."""
    return isolate_line(number, _checked, line, number, template)


def _checked(line: bytes | None, number: int, template: Template | None) -> CheckedLine | list[Problem]:
    return (line and fast_check(line)) or full_check(record_of(line, number), template)


def fast_check(line: bytes) -> CheckedLine | None:
    """Fast path: decode with the strict types. None means undecided, so that the full rules have to be run."""
    if len(line) > LINE_PARTS and has_too_many_parts(line):
        return None
    try:
        bare = decode_line(line)
    except UNREADABLE:
        return _check_pair(line) if PAIR in line else _check_chat(line)
    return _check_supervised(bare.messages, bare.tools, bare.parallel_tool_calls)


def _check_supervised(messages: list[Message], tools: msgspec.Raw, parallel: bool | None) -> CheckedLine | None:
    """Check the messages of a supervised line; None where none of them is learnt from, or they break a rule."""
    last = messages[-1]
    if not isinstance(last, Assistant) or not (last.weight != 0 or any(map(is_trained_on, messages))):
        return None
    return _check_messages(messages, [], tools, parallel)


def _check_chat(line: bytes) -> CheckedLine | None:
    """Check a supervised line that has fields of ours, or fields that say nothing; None means undecided."""
    try:
        chat = _decode_chat(line)
    except UNREADABLE:
        return None
    if not _are_fields_valid(chat):
        return None
    return _check_supervised(plain_messages(chat.messages), chat.tools, chat.parallel_tool_calls)


def _check_pair(line: bytes) -> CheckedLine | None:
    """Check a preference line; None means undecided."""
    try:
        pair = _decode_pair(line)
    except UNREADABLE:
        return None
    prompt = plain_messages(pair.input.messages)
    preferred, other = (
        Assistant(content=output[0].content) for output in (pair.preferred_output, pair.non_preferred_output)
    )
    is_weightless = all(not isinstance(message, Assistant) or message.weight is UNSET for message in prompt)
    is_fit = is_weightless and says_something(other) and typed_text(preferred.content) != typed_text(other.content)
    if not is_fit or any(map(count_typed_images, prompt)) or not _are_fields_valid(pair):
        return None
    return _check_messages([*prompt, preferred], [other], pair.input.tools, pair.input.parallel_tool_calls)


def fields_of_ours(line: bytes) -> Example | None:
    """Any example with the fields of ours of a line that `fast_check` takes for supervised; None where it has none."""
    try:
        decode_line(line)
    except UNREADABLE:
        example = _read_ours(_decode_chat(line))
        return example if isinstance(example, Example) else None
    return None


def _are_fields_valid(line: ChatLine | PreferenceLine) -> bool:
    """Whether the rules allow a line's fields of ours."""
    return not isinstance(_read_ours(line), list)


def _read_ours(line: ChatLine | PreferenceLine) -> Example | list[Problem] | None:
    """Any example with a line's fields of ours, or the problems of these fields; None where it has none.

    They are the last fields of either type, in the order of `OURS`.
    """
    ours = astuple(line)[-len(OURS) :]
    given = {name: value for name, value in zip(OURS, ours, strict=True) if value is not UNSET}
    return read_record(Record(1, PLAIN | given)) if given else None


def _measure(turns: list[Message]) -> Measured:
    """Gather the texts of messages, and count what is cheaper to count at once."""
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
    return Measured(texts, tokens, is_plain, has_system, characters)


def _check_messages(
    turns: list[Message], other: list[Message], raw_tools: msgspec.Raw, parallel: bool | None
) -> CheckedLine | None:
    """Check a conversation, with the answer that was not preferred if there is one; None where it breaks a rule."""
    texts, tokens, is_plain, has_system, characters = _measure(turns + other if other else turns)
    tools = _tools_of(raw_tools)
    if tools is None or not (is_plain or follows_rules(turns)):
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
    """Slow path: check a record by the rules; its problems where it breaks one."""
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
    is_plain = _measure(turns + other)[2]
    return _hash(turns, other, is_plain, (content.get("parallel_tool_calls"), tools))


def _hash(turns: list[Message], other: list[Message], is_plain: bool, beside: tuple[bool | None, bytes]) -> int:
    """A content hash of 64 bits, equal for equal content in this process and in those forked from it.

    Of the usual line, all text, it is Python's own hash, which is several times as fast as encoding and BLAKE2b.
    """
    if is_plain and FORKS and not other:
        return hash((beside, *turns))
    return _digest(_encode([turns, other, beside[0]]) + beside[1])


def _digest(content: bytes) -> int:
    return int.from_bytes(blake2b(content, digest_size=8).digest(), "little", signed=True)


# Python's hash of a text is salted by the process: only those that are forked from one another have the same salt.
FORKS = sys.platform == "linux"


def _is_object(arguments: str) -> bool:
    """Whether a call's arguments are a JSON object; an empty text stands for an empty object."""
    try:
        return not arguments.strip() or isinstance(_decode_arguments(arguments), dict)
    except (*UNREADABLE, UnicodeEncodeError):
        return False


def _tools_of(raw: msgspec.Raw) -> Tools | None:
    """The checked tools of a line; None where they break a rule."""
    text = bytes(raw)
    if not text:
        return NO_TOOLS
    return _read_tools_cached(text) if len(text) <= TOOLS_BYTES else _read_tools(text)


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


_read_tools_cached = lru_cache(maxsize=1 << 8)(_read_tools)
