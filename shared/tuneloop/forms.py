"""Forms: `multipart/form-data` as OpenAI's clients send files, taken apart within bounds and trusted in nothing.

The one kind of body that is no JSON, for the routes that ask for it. RFC 7578, read 2026-11: parts lie between lines of
the boundary and carry a header each. A part is found by its name; what it says of its own kind is not looked at, and a
file's name is good for being shown and never becomes a path.
"""

import re
from collections.abc import Iterator
from email.message import Message
from email.parser import HeaderParser
from typing import Any, NamedTuple

from tuneloop.bodies import content_of
from tuneloop.domain.errors import InvalidInput
from tuneloop.domain.limits import FIELD_BYTES, FILENAME_CHARACTERS, FORM_BYTES, FORM_PARTS, PART_HEAD_BYTES
from tuneloop.domain.words import name_in

KIND = "multipart/form-data"
BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]", re.ASCII)  # RFC 2046, 5.1.1
END_OF_HEAD = b"\r\n\r\n"
AS_IT_IS = ("", "7bit", "8bit", "binary")


class Part(NamedTuple):
    """One field of a form; a file where it has a `filename`, which is the last step of what was sent as its name."""

    name: str
    filename: str | None
    content: bytes

    @property
    def text(self) -> str:
        """What a field says; InvalidInput where that is no text of moderate length."""
        if len(self.content) > FIELD_BYTES:
            raise _broken(f"The field {name_in(self.name)} may have at most {FIELD_BYTES} bytes.", self.name)
        try:
            return self.content.decode()
        except UnicodeDecodeError as error:
            raise _broken(f"The field {name_in(self.name)} is not UTF-8.", self.name) from error


Form = dict[str, Part]


def is_form(event: dict[str, Any]) -> bool:
    """Whether an HTTP API event declares its body as a form."""
    kind: str = event.get("headers", {}).get("content-type", "")
    return kind.partition(";")[0].strip().lower() == KIND


def read_form(event: dict[str, Any]) -> Form:
    """The parts of an HTTP API event's form by their names; InvalidInput or TooLarge where it is none of ours."""
    content = content_of(event, FORM_BYTES)
    form: Form = {}
    for part in _parts(content, _boundary(event["headers"]["content-type"])):
        if part.name in form:
            raise _broken(f"The field {name_in(part.name)} was sent twice.", part.name)
        form[part.name] = part
    return form


def _boundary(kind: str) -> bytes:
    header = Message()
    header["content-type"] = kind
    found = header.get_boundary()
    if found is None or BOUNDARY.fullmatch(found) is None:
        raise _broken("`Content-Type: multipart/form-data` must name its `boundary`.", "content-type")
    return found.encode()


def _parts(content: bytes, boundary: bytes) -> Iterator[Part]:
    _, *pieces = (b"\r\n" + content).split(b"\r\n--" + boundary, FORM_PARTS + 1)
    if not pieces or not pieces[-1].startswith(b"--"):
        raise _broken(f"The form has no end, or more than {FORM_PARTS} parts: its last boundary ends in `--`.")
    for piece in pieces[:-1]:
        yield _part(piece)


def _part(piece: bytes) -> Part:
    end = piece.find(END_OF_HEAD, 0, PART_HEAD_BYTES)
    if end < 0 or piece[: piece.find(b"\r\n")].strip():
        raise _broken(f"A part of the form has no header, or one of more than {PART_HEAD_BYTES >> 10} KiB.")
    try:
        head = HeaderParser().parsestr(piece[:end].decode().strip())
    except UnicodeDecodeError as error:
        raise _broken("The header of a part of the form is not UTF-8.") from error
    name = head.get_param("name", header="content-disposition")
    if head.get_content_disposition() != "form-data" or not isinstance(name, str) or not name:
        raise _broken("Each part of the form must have a `Content-Disposition: form-data` with a `name`.")
    if head.get("content-transfer-encoding", "").strip().lower() not in AS_IT_IS:
        raise _broken(f"Send the field {name_in(name)} as it is: a `Content-Transfer-Encoding` is not unpacked.", name)
    filename = head.get_filename()
    shown = None if filename is None else _shown(filename)
    return Part(name, shown, piece[end + len(END_OF_HEAD) :])


def _shown(filename: str) -> str:
    last = re.split(r"[/\\]", filename)[-1]
    return "".join(letter for letter in last if letter.isprintable())[-FILENAME_CHARACTERS:]


def _broken(message: str, param: str | None = None) -> InvalidInput:
    return InvalidInput(message, param=name_in(param) if param else "body", code="invalid_form")
