"""Prompts: the answers that a prompt names, and the format in which it wants them.

Answers are read from a list under a heading that mentions answers, labels, categories and the like (one per line, with
or without bullets, each perhaps followed by a colon and a description), else from any bulleted list, else from names in
one line, separated by `|` or commas. A JSON object that holds one `<placeholder>`, or the names themselves, is the
format. Under a heading that ends with "one per line:", every line is an answer as it is.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import orjson

_NOUNS = r"answers?|labels?|intents?|categor(?:y|ies)|class(?:es)?|options?|choices?|topics?|tags?|following"
_MENTIONS_ANSWERS = re.compile(rf"\b(?:{_NOUNS})\b", re.IGNORECASE)
_INLINE = (
    re.compile(rf"\b(?:{_NOUNS})\b[^:]{{0,40}}:\s*(?P<names>.+)", re.IGNORECASE),
    re.compile(r"\bone of(?: the following)?:?\s+(?P<names>.+)", re.IGNORECASE),
    re.compile(
        r"\b(?:answer|reply|respond)(?: only)?(?: with)?(?: either)? (?P<names>[\w, -]{1,300} or [\w-]+)", re.IGNORECASE
    ),
)
_BULLET = re.compile(r"^\s*(?:[-*\u2022]|\d{1,3}[.)])\s+")
_NAME_AND_DESCRIPTION = re.compile(r"^(?P<name>[\w./&' -]{1,60}?)(?::| -| \u2013| \u2014)\s+(?P<description>\S.*)$")
_OPENS = ":\"'({<["
_CLOSES = re.compile(r"[\"')}>\]]|[.;](?=\s|$)")
_OBJECT = re.compile(r"\{[^{}]*\}")
_PLACEHOLDER = re.compile(r"<[^<>\"]+>")
_QUOTED = re.compile(r"[\"'`\u201c\u2018]([^\"'`\u201c\u201d\u2018\u2019]{1,60})[\"'`\u201d\u2019]")
_SEPARATOR = re.compile(r",\s*(?:or|and)\s+|,|\s+or\s+")
_QUOTES = " \t\"'`*\u201c\u201d\u2018\u2019"
_VERBATIM = "one per line:"
_LONGEST_NAME = 60  # characters; anything longer is a sentence rather than a name


@dataclass(frozen=True, slots=True)
class NamedAnswer:
    """An answer that a prompt names: its text in the prompt's format, and the words that describe it."""

    answer: str
    words: str


@lru_cache(maxsize=256)
def named_answers(prompt: str) -> tuple[NamedAnswer, ...]:
    """Return the answers that a prompt names, in its order and format; none if it names fewer than two."""
    lines = prompt.splitlines()
    items = _heading_items(lines) or _bulleted_items(lines)
    if not items or _VERBATIM in prompt:
        names = [NamedAnswer(name, name) for name in items or _inline_names(lines)]
    else:
        names = [_split_description(_BULLET.sub("", item)) for item in items]
    answers = [NamedAnswer(_in_format(prompt, name.answer), _words_in(name.words)) for name in dict.fromkeys(names)]
    return tuple(answers) if len(answers) > 1 else ()


def _heading_items(lines: list[str]) -> list[str]:
    """Return the lines under the last heading with at least two of them, up to the next blank line."""
    items: list[str] = []
    for number, line in enumerate(lines):
        if line.rstrip().endswith(":") and _MENTIONS_ANSWERS.search(line):
            start = number + 2 if lines[number + 1 : number + 2] == [""] else number + 1
            end = next((stop for stop in range(start, len(lines)) if not lines[stop].strip()), len(lines))
            block = [text.strip() for text in lines[start:end]]
            items = block if len(block) > 1 else items
    return items


def _bulleted_items(lines: list[str]) -> list[str]:
    items = [line.strip() for line in lines if _BULLET.match(line)]
    return items if len(items) > 1 else []


def _inline_names(lines: Iterable[str]) -> list[str]:
    for line in lines:
        if piped := line[_piped(line)]:
            return [name.strip(_QUOTES) for name in piped.split("|")]
    for line in lines:
        plain = _OBJECT.sub("", line)
        for match in filter(None, (heading.search(plain) for heading in _INLINE)):
            names = _names_in(re.split(r"[.;](?:\s|$)", match["names"])[0])
            if len(names) > 1 and max(map(len, names)) <= _LONGEST_NAME:
                return names
    return []


def _piped(text: str) -> slice:
    """Return where a line has names separated by `|`: from the opening mark before the first to the closing one."""
    first = text.find("|")
    if first < 0:
        return slice(0, 0)
    end = _CLOSES.search(text, first)
    return slice(max(text.rfind(mark, 0, first) for mark in _OPENS) + 1, end.start() if end else len(text))


def _names_in(phrase: str) -> list[str]:
    """Return the quoted names in a phrase, or else its names separated by commas and `or`."""
    quoted = _QUOTED.findall(phrase)
    names = quoted if len(quoted) > 1 else [name.strip(f"{_QUOTES}[]().") for name in _SEPARATOR.split(phrase)]
    return [name for name in names if name]


def _split_description(line: str) -> NamedAnswer:
    """Split a line of a list into name and description; a line of JSON is an answer as it is."""
    if line.startswith(("{", "[")):
        return NamedAnswer(line, line)
    parts = _NAME_AND_DESCRIPTION.match(line)
    name = (parts["name"] if parts else line).strip(_QUOTES)
    return NamedAnswer(name, line if parts else name)


def _in_format(prompt: str, answer: str) -> str:
    """Put an answer into the JSON object that the prompt shows, if it shows one with a single place to fill in."""
    if answer.startswith(("{", "[")) or _VERBATIM in prompt:
        return answer
    quoted = orjson.dumps(answer).decode()[1:-1]
    for match in _OBJECT.finditer(prompt):
        format_ = match[0]
        placeholders = [placeholder.span() for placeholder in _PLACEHOLDER.finditer(format_)]
        start, end = placeholders[0] if len(placeholders) == 1 else _piped(format_).indices(len(format_))[:2]
        if end > start:
            return format_[:start] + quoted + format_[end:]
    return answer


def _words_in(answer: str) -> str:
    """Return the words of an answer; of JSON, only its values."""
    try:
        return " ".join(_values(orjson.loads(answer)))
    except orjson.JSONDecodeError:
        return answer


def _values(value: object) -> list[str]:
    """Return the values of JSON in order; by a stack, as orjson reads deeper nesting than Python's recursion allows."""
    texts: list[str] = []
    stack = [value]
    while stack:
        part = stack.pop()
        if isinstance(part, dict | list):
            stack += reversed(list(part.values()) if isinstance(part, dict) else part)
        else:
            texts.append(str(part))
    return texts
