"""Forms: what OpenAI's clients send is read, all else is refused within bounds."""

from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneloop.domain.errors import InvalidInput, TooLarge
from tuneloop.domain.limits import FORM_BYTES, FORM_PARTS, PART_HEAD_BYTES
from tuneloop.forms import is_form, read_form

FILE = b'Content-Disposition: form-data; name="file"; filename="a.jsonl"'
PURPOSE = b'Content-Disposition: form-data; name="purpose"'
KIND = "multipart/form-data; boundary=xyz"


def form(*parts: tuple[bytes, bytes], boundary: bytes = b"xyz", end: bytes = b"--\r\n") -> bytes:
    """A form of parts, each a header and a content."""
    told = [b"--" + boundary + b"\r\n" + head + b"\r\n\r\n" + content + b"\r\n" for head, content in parts]
    return b"".join(told) + b"--" + boundary + end


def event(content: bytes, kind: str = KIND, **headers: str) -> dict[str, Any]:
    sent = {"content-type": kind, **headers}
    return {"headers": sent, "body": b64encode(content).decode(), "isBase64Encoded": True}


def test_a_form_is_read_by_its_parts_names() -> None:
    read = read_form(event(form((PURPOSE, b"fine-tune"), (FILE, b"{}\r\n\r\n--xy\n"))))

    assert (read["purpose"].text, read["purpose"].filename) == ("fine-tune", None)
    assert (read["file"].content, read["file"].filename) == (b"{}\r\n\r\n--xy\n", "a.jsonl")


@given(st.binary(max_size=200))
def test_content_comes_out_as_it_went_in(content: bytes) -> None:
    boundary = b"an-improbable-boundary-0123456789"
    sent = event(form((FILE, content), boundary=boundary), f'multipart/form-data; boundary="{boundary.decode()}"')

    assert read_form(sent)["file"].content == content


@given(st.binary(max_size=300))
def test_whatever_is_sent_is_read_or_refused(content: bytes) -> None:
    try:
        read_form(event(b"--xyz" + content))
    except InvalidInput:
        return


def test_a_body_that_came_as_text_is_read_too() -> None:
    sent = {"headers": {"content-type": KIND}, "body": form((PURPOSE, "ü".encode())).decode()}

    assert read_form(sent)["purpose"].text == "ü"


@pytest.mark.parametrize("name", ["/etc/a.jsonl", "..\\..\\a.jsonl", "C:\\a.jsonl", "a\x07.jsonl", "a.jsonl"])
def test_of_a_file_s_name_only_the_last_step_is_kept(name: str) -> None:
    head = f'Content-Disposition: form-data; name="file"; filename="{name}"'.replace("\\", "\\\\").encode()

    assert read_form(event(form((head, b""))))["file"].filename == "a.jsonl"


NO_FORMS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", KIND),
    "no end": (form((FILE, b"{}"), end=b""), KIND),
    "another boundary": (form((FILE, b"{}"), boundary=b"abc"), KIND),
    "no boundary": (form((FILE, b"{}")), "multipart/form-data"),
    "an empty boundary": (form((FILE, b"{}")), 'multipart/form-data; boundary=""'),
    "a boundary of 71": (form((FILE, b"{}")), "multipart/form-data; boundary=" + "x" * 71),
    "a boundary with a line": (form((FILE, b"{}")), 'multipart/form-data; boundary="x\ny"'),
    "no header": (b"--xyz\r\n{}\r\n--xyz--", KIND),
    "a header without end": (b"--xyz\r\n" + FILE + b"\r\n--xyz--", KIND),
    "a long header": (form((FILE + b"\r\nX: " + b"x" * PART_HEAD_BYTES, b"{}")), KIND),
    "a header that is no text": (form((FILE + b"\xff", b"{}")), KIND),
    "no name": (form((b"Content-Disposition: form-data", b"{}")), KIND),
    "another disposition": (form((b'Content-Disposition: attachment; name="file"', b"{}")), KIND),
    "no disposition": (form((b"Content-Type: text/plain", b"{}")), KIND),
    "packed": (form((FILE + b"\r\nContent-Transfer-Encoding: base64", b"e30=")), KIND),
    "twice": (form((FILE, b"{}"), (FILE, b"{}")), KIND),
    "too many": (form(*((FILE.replace(b"file", b"%d" % n), b"") for n in range(FORM_PARTS + 1))), KIND),
}


@pytest.mark.parametrize(("content", "kind"), NO_FORMS.values(), ids=NO_FORMS)
def test_what_is_no_form_is_refused(content: bytes, kind: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_form(event(content, kind))

    assert refused.value.code == "invalid_form"


def test_as_many_parts_as_allowed_are_read() -> None:
    parts = ((FILE.replace(b"file", b"%d" % number), b"") for number in range(FORM_PARTS))

    assert len(read_form(event(form(*parts)))) == FORM_PARTS


def test_a_field_is_short_and_text() -> None:
    for content in (b"x" * 5000, b"\xff"):
        with pytest.raises(InvalidInput, match="purpose"):
            _ = read_form(event(form((PURPOSE, content))))["purpose"].text


def test_a_form_is_bounded_and_not_unpacked() -> None:
    with pytest.raises(TooLarge, match="/uploads"):
        read_form(event(b"x" * (FORM_BYTES + 1)))
    with pytest.raises(InvalidInput, match="not unpacked"):
        read_form(event(form((FILE, b"{}")), **{"content-encoding": "gzip"}))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [(KIND, True), ("Multipart/Form-Data;boundary=x", True), ("application/json", False), ("", False)],
)
def test_a_form_is_known_by_its_declaration(kind: str, expected: bool) -> None:
    assert is_form({"headers": {"content-type": kind}}) is expected
