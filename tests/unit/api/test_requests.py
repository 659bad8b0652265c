"""Bodies: counted in bytes as they came, never unpacked, and refused where nobody could use them."""

import json
import tracemalloc
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tuneloop.api.requests import parse_json, read_body
from tuneloop.api.validation_errors import LONGEST_PARAM
from tuneloop.domain.core.errors import InvalidInput, TooLarge
from tuneloop.domain.core.json_values import find_flaw
from tuneloop.domain.core.limits import BODY_BYTES, BODY_PARTS, JSON_DEPTH

WHOLE = st.integers(-(1 << 63), (1 << 64) - 1)
LEAVES = st.none() | st.booleans() | WHOLE | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)
# Values in which some leaves and names are flawed, several perhaps.
BAD = st.sampled_from(["\ud800", "a \udfff", float("inf"), float("-inf"), 1 << 64, -(1 << 63) - 1])
FLAWED = st.recursive(
    LEAVES | BAD,
    lambda inner: st.lists(inner) | st.dictionaries(st.text("ab.", max_size=3) | st.just("\ud83d"), inner),
    max_leaves=20,
)


def event(body: str | None, *, encoded: bool = False, encoding: str = "") -> dict[str, Any]:
    headers = {"content-encoding": encoding} if encoding else {}
    return {"body": body, "isBase64Encoded": encoded, "headers": headers}


def base64(content: bytes) -> str:
    return b64encode(content).decode()


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_a_body_is_read_as_it_was_sent(text: str) -> None:
    assert read_body(event(text)) == (text or None)
    assert read_body(event(base64(text.encode()), encoded=True)) == (text or None)


@pytest.mark.parametrize(
    ("encoding", "words"),
    [
        ("utf-16", "in UTF-16. Send it as UTF-8"),
        ("utf-16-le", "in UTF-16. Send it as UTF-8"),
        ("utf-16-be", "in UTF-16. Send it as UTF-8"),
        ("utf-32", "in UTF-32. Send it as UTF-8"),
        ("utf-32-be", "in UTF-32. Send it as UTF-8"),
        ("latin-1", "not UTF-8 (byte 13). Send it as UTF-8"),
        ("cp1252", "not UTF-8 (byte 13). Send it as UTF-8"),
    ],
)
def test_a_body_in_another_encoding_is_told_so(encoding: str, words: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        read_body(event(base64('{"text": "Grüße"}'.encode(encoding)), encoded=True))

    assert words in refusal.value.message
    assert (refusal.value.code, refusal.value.param) == ("invalid_unicode", "body")


def test_a_byte_order_mark_before_a_body_is_no_part_of_it() -> None:
    assert read_body(event(base64(b"\xef\xbb\xbf{}"), encoded=True)) == "{}"
    assert read_body(event("\ufeff{}")) == "{}"


@pytest.mark.parametrize("letter", ["x", "ü", "€", "😀"])
@pytest.mark.parametrize("encoded", [False, True])
def test_the_limit_counts_bytes(letter: str, encoded: bool) -> None:
    most = BODY_BYTES // len(letter.encode())
    fitting, larger = letter * most, letter * (most + 1)

    def sent(text: str) -> dict[str, Any]:
        return event(base64(text.encode()) if encoded else text, encoded=encoded)

    assert read_body(sent(fitting)) == fitting
    with pytest.raises(TooLarge, match="4 MiB"):
        read_body(sent(larger))


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "deflate", "br", "zstd", "identity, gzip"])
def test_what_is_packed_stays_packed(encoding: str) -> None:
    with pytest.raises(InvalidInput, match="not unpacked") as refusal:
        read_body(event("x", encoding=encoding))

    assert (refusal.value.code, refusal.value.param) == ("unsupported_encoding", "content-encoding")


@pytest.mark.parametrize("encoding", ["", "identity", " Identity "])
def test_what_is_not_packed_is_read(encoding: str) -> None:
    assert read_body(event("x", encoding=encoding)) == "x"


@pytest.mark.parametrize("body", ["%%%", "x", base64(b"{}")[:-1], "ü"])
def test_what_does_not_decode_is_refused(body: str) -> None:
    with pytest.raises(InvalidInput):
        read_body(event(body, encoded=True))


def test_what_is_not_utf_8_is_told_where() -> None:
    with pytest.raises(InvalidInput, match=r"not UTF-8 \(byte 3\)") as refusal:
        read_body(event(base64(b"ab\xff"), encoded=True))

    assert refusal.value.code == "invalid_unicode"


@given(VALUES)
def test_json_is_what_it_was(value: Any) -> None:
    assert parse_json(json.dumps(value)) == value
    assert parse_json(json.dumps(value, ensure_ascii=False)) == value


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_depth_is_counted_in_lists_and_objects(opening: str) -> None:
    def nested(depth: int) -> str:
        return opening * depth + ("1" if opening != "[" else "") + {"[": "]"}.get(opening, "}") * depth

    assert parse_json(nested(JSON_DEPTH))
    for depth in (JSON_DEPTH + 1, 100, 900, BODY_PARTS):
        with pytest.raises(InvalidInput) as refusal:
            parse_json(nested(depth))
        assert refusal.value.code == "nested_too_deeply"


@given(FLAWED)
@example({"a": {"b": "\ud800"}, "c": float("inf")})
def test_a_body_is_refused_for_the_value_that_a_line_is_refused_for(value: Any) -> None:
    """However many flaws there are: the least deep one, first among its like."""
    found = find_flaw(value, "")
    body = json.dumps(value)
    if found is None:
        assert parse_json(body) == value
        return
    with pytest.raises(InvalidInput) as refusal:
        parse_json(body)

    path, flaw = found
    place = path.replace("[", ".").replace("]", "").removeprefix(".")[:LONGEST_PARAM]
    assert (refusal.value.code, refusal.value.param) == (flaw.code, place or "body")


def test_a_wide_body_is_not_a_deep_one() -> None:
    assert len(parse_json(json.dumps([[{}]] * 1000))) == 1000


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ('{"a": [{"b": "\\ud800"}]}', "invalid_unicode", "a.0.b"),
        ('{"a": "\ud800"}', "invalid_unicode", "a"),
        ('"\\udfff"', "invalid_unicode", "body"),
        ('{"a": {"\\udfff": 1}}', "invalid_unicode", "a"),
        ('{"\\udfff": 1}', "invalid_unicode", "body"),
        ('{"": [[1, "\\udfff"]]}', "invalid_unicode", "(unusual name).0.1"),
        ('[[{"a b": {"c": "\\udfff"}}]]', "invalid_unicode", "0.0.(unusual name).c"),
        ('{"a": [1, 1e999]}', "invalid_number", "a.1"),
        ('{"a": -1e0400}', "invalid_number", "a"),
        ('{"a": ' + "9" * 400 + ".0}", "invalid_number", "a"),
        ('{"a": Infinity}', "invalid_number", "a"),
        ('["NaN", {"b": NaN}]', "invalid_number", "1.b"),
        ("-Infinity", "invalid_number", "body"),
        ('{"a": ' + "9" * 5000 + "}", "invalid_number", "a"),
        ('{"a": [0, -' + "9" * 5000 + "]}", "invalid_number", "a.1"),
        ('{"a": ' + "9" * 400 + "}", "invalid_number", "a"),
        ('{"tools": [{"maximum": 18446744073709551616}]}', "invalid_number", "tools.0.maximum"),
        ('{"a": -9223372036854775809}', "invalid_number", "a"),
    ],
)
def test_what_nobody_could_write_again_is_refused_by_its_place(body: str, code: str, param: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        parse_json(body)

    assert (refusal.value.code, refusal.value.param) == (code, param)


@pytest.mark.parametrize(
    "body",
    [
        '"\\ud83d\\ude00"',
        '"e123"',
        '{"a": 1e100}',
        '"' + "9" * 400 + '"',
        '{"a": 18446744073709551615}',
        '{"a": -9223372036854775808}',
        '{"a": 99999999999999999999.5}',
        '"Infinity and NaN"',
    ],
)
def test_what_only_looks_doubtful_is_read(body: str) -> None:
    assert parse_json(body) == json.loads(body)


@pytest.mark.parametrize("part", ["[]", "{}", '{"a": 1}', '"{"'])
def test_a_body_of_too_many_parts_is_refused_before_it_is_parsed(part: str) -> None:
    most = "[" + ",".join([part] * (BODY_PARTS - 1)) + "]"

    assert len(parse_json(most)) == BODY_PARTS - 1
    with pytest.raises(TooLarge, match="100,000 times") as refusal:
        parse_json(f"[{most}, this is no JSON")

    assert (refusal.value.code, refusal.value.param) == ("too_many_parts", "body")


@pytest.mark.parametrize("part", ["{}", '"a"', "1", "1.5", '{"a":["b"]}'])
def test_looking_through_a_body_takes_little_beside_what_it_holds(part: str) -> None:
    many = min(BODY_PARTS // 2 - 2, BODY_BYTES // (len(part) + 1) // 4) // 4
    body = f'[{{"{"x" * 150}": [{",".join([part] * many)}]}}, "\\ud83d\\ude00"]'
    tracemalloc.start()

    value = json.loads(body)
    held = tracemalloc.get_traced_memory()[0]
    del value
    tracemalloc.reset_peak()
    parse_json(body)
    peak = tracemalloc.get_traced_memory()[1]

    tracemalloc.stop()
    assert peak < 3 * held + (1 << 18)


def test_a_place_is_told_shortly() -> None:
    with pytest.raises(InvalidInput) as refusal:
        parse_json(json.dumps({"x" * 5000: "\ud800"}))

    assert len(refusal.value.message) < 400
