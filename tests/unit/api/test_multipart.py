"""Forms: what OpenAI's clients send is read, all else is refused within bounds."""

from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneloop.api.multipart import is_form, read_form
from tuneloop.domain.core.errors import InvalidFile, InvalidInput, TooLarge
from tuneloop.domain.core.limits import FORM_BYTES, FORM_PARTS, PART_HEAD_BYTES

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


@pytest.mark.parametrize(
    ("parameters", "filename"),
    [
        (b"; filename=\"a.jsonl\"; filename*=utf-8''na%C3%AFve.jsonl", "naïve.jsonl"),
        (b"; filename*=UTF-8'en'a%20b.jsonl", "a b.jsonl"),
        (b"; filename*=iso-8859-1''%E9.jsonl", "é.jsonl"),
        (b"; FILENAME=a.jsonl", "a.jsonl"),
        (b' ;  filename = "a;b=\\"c\\".jsonl" ; ', 'a;b="c".jsonl'),
        (b'; filename="=?utf-8?q?a?="', "=?utf-8?q?a?="),
        ('; filename="ü.jsonl"'.encode(), "ü.jsonl"),
        (b'; filename=""', ""),
        (b";\r\n filename=a.jsonl", "a.jsonl"),
        (b"; filename*0=a; filename*1=.jsonl", None),
    ],
    ids=str,
)
def test_a_file_s_name_is_read_in_each_way_that_clients_write_it(parameters: bytes, filename: str | None) -> None:
    head = b"content-disposition:form-data; name=file" + parameters + b"\r\nX-Other: 1"

    assert read_form(event(form((head, b"{}"))))["file"].filename == filename


WORDS = (
    "Content-Disposition",
    ": ",
    "form-data",
    ";",
    "name",
    "filename",
    "*",
    "=",
    '"',
    "\\",
    "'",
    "%ff",
    "0",
    "9" * 5000,
)
SIGNS = ("utf-8", "idna", "undefined", "punycode", "\r\n", " ", "Content-Transfer-Encoding", "binary", "\0", "é")
HEADS = st.lists(st.sampled_from((*WORDS, *SIGNS)), max_size=30).map("".join)


@given(HEADS, HEADS)
def test_whatever_a_header_says_is_read_or_refused(head: str, kind: str) -> None:
    for told, declared in (
        (head, KIND),
        ("Content-Disposition: form-data; name=file" + head, KIND),
        (head, KIND + kind),
    ):
        try:
            read_form(event(form((told.encode(), b"{}")), declared))
        except InvalidFile:
            continue


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
    "a boundary in pieces": (form((FILE, b"{}")), "multipart/form-data; boundary*0=xyz"),
    "a boundary in 9,999 digits": (form((FILE, b"{}")), f"multipart/form-data; boundary*{'9' * 9999}=xyz"),
    "a boundary in a charset": (form((FILE, b"{}")), "multipart/form-data; boundary*=undefined''xyz"),
    "two boundaries": (form((FILE, b"{}")), "multipart/form-data; boundary=xyz; boundary=xyz"),
    "an open quote": (form((FILE, b"{}")), 'multipart/form-data; boundary="xyz'),
    "no grammar": (form((FILE, b"{}")), "multipart/form-data; boundary=xyz; a b=c"),
    "a charset that is none": (form((FILE + b"; filename*=undefined''x", b"{}")), KIND),
    "a charset that Python would run": (form((FILE + b"; filename*=unicode_escape''%5cN", b"{}")), KIND),
    "a charset with a zero": (form((FILE + b"; filename*=utf-8\0''x", b"{}")), KIND),
    "a name in another charset": (form((FILE + b"; filename*=utf-8''%ff", b"{}")), KIND),
    "a name in extended words": (form((b"Content-Disposition: form-data; name*=utf-8''file", b"{}")), KIND),
    "a name in pieces": (form((b"Content-Disposition: form-data; name*0=fi; name*1=le", b"{}")), KIND),
    "a name twice": (form((FILE + b'; name="file"', b"{}")), KIND),
    "a disposition twice": (form((FILE + b"\r\n" + PURPOSE, b"{}")), KIND),
    "a header without a colon": (form((FILE + b"\r\nX", b"{}")), KIND),
    "an encoded word": (form((b"Content-Disposition: =?utf-8?q?form-data?=; name=file", b"{}")), KIND),
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
