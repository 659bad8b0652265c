"""Prompts: the answers that a prompt names, and the format that it wants them in.

Answers are read from a list under a heading that speaks of answers, labels, categories and the like (one per line, with
or without bullets, a description after a colon allowed), else from any bulleted list, else from names in one line,
separated by `|` or commas. A JSON object with one `<placeholder>`, or with the names themselves in it, is the format.
Under a heading that ends "one per line:" every line is an answer as it stands.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import orjson

_NOUNS = r"answers?|labels?|intents?|categor(?:y|ies)|class(?:es)?|options?|choices?|topics?|tags?|following"
_SPEAKS_OF_ANSWERS = re.compile(rf"\b(?:{_NOUNS})\b", re.IGNORECASE)
_INLINE = (
    re.compile(rf"\b(?:{_NOUNS})\b[^:]{{0,40}}:\s*(?P<names>.+)", re.IGNORECASE),
    re.compile(r"\bone of(?: the following)?:?\s+(?P<names>.+)", re.IGNORECASE),
    re.compile(
        r"\b(?:answer|reply|respond)(?: only)?(?: with)?(?: either)? (?P<names>[\w, -]{1,300} or [\w-]+)", re.IGNORECASE
    ),
)
_BULLET = re.compile(r"^\s*(?:[-*\u2022]|\d{1,3}[.)])\s+")
_DESCRIBED = re.compile(r"^(?P<name>[\w./&' -]{1,60}?)(?::| -| \u2013| \u2014)\s+(?P<about>\S.*)$")
_OPENS = ":\"'({<["
_CLOSES = re.compile(r"[\"')}>\]]|[.;](?=\s|$)")
_OBJECT = re.compile(r"\{[^{}]*\}")
_PLACEHOLDER = re.compile(r"<[^<>\"]+>")
_QUOTED = re.compile(r"[\"'`\u201c\u2018]([^\"'`\u201c\u201d\u2018\u2019]{1,60})[\"'`\u201d\u2019]")
_SEPARATOR = re.compile(r",\s*(?:or|and)\s+|,|\s+or\s+")
_QUOTES = " \t\"'`*\u201c\u201d\u2018\u2019"
_VERBATIM = "one per line:"
_LONGEST_NAME = 60  # characters; what is longer is a sentence of the prompt


@dataclass(frozen=True, slots=True)
class NamedAnswer:
    """An answer that a prompt names: its text as the prompt wants it, and the words that say what it is about."""

    answer: str
    words: str


@lru_cache(maxsize=256)
def named_answers(prompt: str) -> tuple[NamedAnswer, ...]:
    """Return the answers that a prompt names, in its order and format; none where it names fewer than two."""
    lines = prompt.splitlines()
    listed = _under_a_heading(lines) or _bulleted(lines)
    if not listed or _VERBATIM in prompt:
        named = [NamedAnswer(name, name) for name in listed or _in_one_line(lines)]
    else:
        named = [_described(_BULLET.sub("", line)) for line in listed]
    answers = [NamedAnswer(_in_format(prompt, name.answer), _words_in(name.words)) for name in dict.fromkeys(named)]
    return tuple(answers) if len(answers) > 1 else ()


def _under_a_heading(lines: list[str]) -> list[str]:
    """Read the lines under the last heading that has at least two, up to the next blank line."""
    listed: list[str] = []
    for at, line in enumerate(lines):
        if line.rstrip().endswith(":") and _SPEAKS_OF_ANSWERS.search(line):
            start = at + 2 if lines[at + 1 : at + 2] == [""] else at + 1
            end = next((stop for stop in range(start, len(lines)) if not lines[stop].strip()), len(lines))
            block = [text.strip() for text in lines[start:end]]
            listed = block if len(block) > 1 else listed
    return listed


def _bulleted(lines: list[str]) -> list[str]:
    bulleted = [line.strip() for line in lines if _BULLET.match(line)]
    return bulleted if len(bulleted) > 1 else []


def _in_one_line(lines: Iterable[str]) -> list[str]:
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
    """Find the names separated by `|` in a line: from the last opening mark before the first `|` to what closes it."""
    first = text.find("|")
    if first < 0:
        return slice(0, 0)
    closed = _CLOSES.search(text, first)
    return slice(max(text.rfind(mark, 0, first) for mark in _OPENS) + 1, closed.start() if closed else len(text))


def _names_in(phrase: str) -> list[str]:
    """Read the quoted names of a phrase, or its names separated by commas and `or`."""
    quoted = _QUOTED.findall(phrase)
    names = quoted if len(quoted) > 1 else [name.strip(f"{_QUOTES}[]().") for name in _SEPARATOR.split(phrase)]
    return [name for name in names if name]


def _described(line: str) -> NamedAnswer:
    """Part a listed name from its description; a line of JSON is an answer as it stands."""
    if line.startswith(("{", "[")):
        return NamedAnswer(line, line)
    parts = _DESCRIBED.match(line)
    name = (parts["name"] if parts else line).strip(_QUOTES)
    return NamedAnswer(name, line if parts else name)


def _in_format(prompt: str, answer: str) -> str:
    """Put an answer into the JSON object that the prompt shows, where it shows one with one place to fill in."""
    if answer.startswith(("{", "[")) or _VERBATIM in prompt:
        return answer
    quoted = orjson.dumps(answer).decode()[1:-1]
    for match in _OBJECT.finditer(prompt):
        shown = match[0]
        places = [place.span() for place in _PLACEHOLDER.finditer(shown)]
        start, end = places[0] if len(places) == 1 else _piped(shown).indices(len(shown))[:2]
        if end > start:
            return shown[:start] + quoted + shown[end:]
    return answer


def _words_in(answer: str) -> str:
    """Return the words of an answer, of its values only where it is JSON."""
    try:
        return " ".join(_values(orjson.loads(answer)))
    except orjson.JSONDecodeError:
        return answer


def _values(value: object) -> list[str]:
    """Give the values of JSON in order; without recursion, since orjson reads what is nested deeper than it may go."""
    words: list[str] = []
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict | list):
            waiting += reversed(list(part.values()) if isinstance(part, dict) else part)
        else:
            words.append(str(part))
    return words
