"""Forms: `multipart/form-data` as OpenAI's clients send files, parsed within bounds and without trusting its sender.

A form is the only body that isn't JSON, for the routes that ask for one. RFC 7578, read 2026-11: parts lie between
lines of the boundary and carry a header each. A part is found by its name. Its own content type is not looked at, and a
file's name is only ever shown and never becomes a path. Headers are read by the grammar of RFC 9110 and no other: the
extensions of mail (RFC 2231's pieces and charsets, encoded words) are no part of a form.
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

from tuneloop.api.requests import content_of
from tuneloop.domain.core.errors import InvalidFile
from tuneloop.domain.core.limits import FIELD_BYTES, FILENAME_CHARACTERS, FORM_BYTES, FORM_PARTS, PART_HEAD_BYTES
from tuneloop.domain.core.redaction import safe_name

KIND = "multipart/form-data"
BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]", re.ASCII)  # RFC 2046, 5.1.1
END_OF_HEAD = b"\r\n\r\n"
NO_ENCODING = ("", "7bit", "8bit", "binary")  # the values of `Content-Transfer-Encoding` that leave a part as it is
NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # RFC 9110, 5.6.2
A_HEADER = re.compile(rf"({NAME}):[ \t]*([^\x00\r\n]*)", re.ASCII)
FOLDED = re.compile(r"\r\n[ \t]+")  # a header's value that goes on in the next line: old, and still taken
# `; name=value`, the value a quoted string or whatever has no sign of the grammar in it, as boundaries are often sent.
A_PARAMETER = re.compile(rf'[ \t]*;[ \t]*(?:({NAME})[ \t]*=[ \t]*("(?:[^"\\]|\\.)*"|[^\s;"]+)[ \t]*)?')
QUOTED_PAIR = re.compile(r"\\(.)")
# The two that RFC 5987 asks for; Python knows a hundred more, some of which raise errors of their own.
CHARSETS = ("utf-8", "iso-8859-1")


class Part(NamedTuple):
    """One field of a form; with a `filename` it is a file, named by the last step of the path that was sent."""

    name: str
    filename: str | None
    content: bytes

    @property
    def text(self) -> str:
        """The field's value as text; InvalidFile where it is longer than `FIELD_BYTES` or not UTF-8."""
        if len(self.content) > FIELD_BYTES:
            raise _invalid_form(f"The field {safe_name(self.name)} may have at most {FIELD_BYTES} bytes.", self.name)
        try:
            return self.content.decode()
        except UnicodeDecodeError as error:
            raise _invalid_form(f"The field {safe_name(self.name)} is not UTF-8.", self.name) from error


Form = dict[str, Part]


def is_form(event: dict[str, Any]) -> bool:
    """Whether an HTTP API event declares its body as a form."""
    kind: str = event.get("headers", {}).get("content-type", "")
    return kind.partition(";")[0].strip().lower() == KIND


def read_form(event: dict[str, Any]) -> Form:
    """The parts of an HTTP API event's form by their names; InvalidFile or TooLarge where it can't be read."""
    content = content_of(event, FORM_BYTES)
    form: Form = {}
    for part in _parts(content, _boundary(event["headers"]["content-type"])):
        if part.name in form:
            raise _invalid_form(f"The field {safe_name(part.name)} was sent twice.", part.name)
        form[part.name] = part
    return form


def _boundary(kind: str) -> bytes:
    boundary = _parameters(kind.partition(";")[1] + kind.partition(";")[2], "content-type").get("boundary", "")
    if BOUNDARY.fullmatch(boundary) is None:
        raise _invalid_form("`Content-Type: multipart/form-data` must name its `boundary`.", "content-type")
    return boundary.encode()


def _parts(content: bytes, boundary: bytes) -> Iterator[Part]:
    _, *pieces = (b"\r\n" + content).split(b"\r\n--" + boundary, FORM_PARTS + 1)
    if not pieces or not pieces[-1].startswith(b"--"):
        raise _invalid_form(f"The form has no end, or more than {FORM_PARTS} parts: its last boundary ends in `--`.")
    for piece in pieces[:-1]:
        yield _part(piece)


def _part(piece: bytes) -> Part:
    start, end = piece.find(b"\r\n"), piece.find(END_OF_HEAD, 0, PART_HEAD_BYTES)
    if end < 0 or piece[:start].strip():
        raise _invalid_form(f"A part of the form has no header, or one of more than {PART_HEAD_BYTES >> 10} KiB.")
    head = _headers(piece[start + 2 : end])
    disposition, sign, parameters = head.get("content-disposition", "").partition(";")
    fields = _parameters(sign + parameters)
    name = fields.get("name")
    if disposition.strip().lower() != "form-data" or not name:
        raise _invalid_form("Each part of the form must have a `Content-Disposition: form-data` with a `name`.")
    if head.get("content-transfer-encoding", "").strip().lower() not in NO_ENCODING:
        raise _invalid_form(
            f"Send the field {safe_name(name)} as it is: a `Content-Transfer-Encoding` is not unpacked.", name
        )
    filename = _decode_extended(fields["filename*"]) if "filename*" in fields else fields.get("filename")
    display_name = None if filename is None else _display_name(filename)
    return Part(name, display_name, piece[end + len(END_OF_HEAD) :])


def _headers(head: bytes) -> dict[str, str]:
    """A part's headers by their names in lower case."""
    try:
        lines = FOLDED.sub(" ", head.decode()).split("\r\n")
    except UnicodeDecodeError as error:
        raise _invalid_form("The header of a part of the form is not UTF-8.") from error
    headers: dict[str, str] = {}
    for line in lines:
        match = A_HEADER.fullmatch(line)
        if match is None or (name := match[1].lower()) in headers:
            raise _invalid_form(
                "The header of a part of the form can't be read: each line is `Name: value`, each name once."
            )
        headers[name] = match[2]
    return headers


def _parameters(text: str, param: str | None = None) -> dict[str, str]:
    """The parameters behind a header's value, as in `; name="file"; filename="a.jsonl"`, by names in lower case."""
    parameters: dict[str, str] = {}
    at = 0
    while at < len(text):
        match = A_PARAMETER.match(text, at)
        if match is None or (name := (match[1] or "").lower()) in parameters:
            raise _invalid_form(
                'A header of the form can\'t be read: it goes like `; name="value"`, each name once.', param
            )
        value = match[2] or ""
        if name:
            parameters[name] = QUOTED_PAIR.sub(r"\1", value[1:-1]) if value.startswith('"') else value
        at = match.end()
    return parameters


def _decode_extended(value: str) -> str:
    """A `filename*`, such as `utf-8''na%C3%AFve.jsonl` (RFC 5987, which forms shouldn't use and some clients do)."""
    charset, _, rest = value.partition("'")
    rule = "A `filename*` must be in UTF-8, like `utf-8''a.jsonl`; better, send a `filename`."
    if charset.lower() not in CHARSETS:
        raise _invalid_form(rule, "file")
    try:
        return unquote_to_bytes(rest.partition("'")[2]).decode(charset)
    except UnicodeDecodeError as error:
        raise _invalid_form(rule, "file") from error


def _display_name(filename: str) -> str:
    """The last step of a file's path, without unprintable letters; its end, where it is too long."""
    last = re.split(r"[/\\]", filename)[-1]
    return "".join(letter for letter in last if letter.isprintable())[-FILENAME_CHARACTERS:]


def _invalid_form(message: str, param: str | None = None) -> InvalidFile:
    return InvalidFile(message, param=safe_name(param) if param else "body", code="invalid_form")
