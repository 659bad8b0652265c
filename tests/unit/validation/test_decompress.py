"""Decompression: lines come out as they went in, whatever their size and ends; what is broken is refused."""

import gzip
import io
from collections.abc import Iterator

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from tuneloop.domain.core.errors import InvalidInput, TooLarge
from tuneloop.domain.core.limits import OBJECT_BYTES
from tuneloop.validation.decompress import CHUNK_BYTES, decompress, split_lines

LINES = st.lists(st.binary(max_size=30).map(lambda line: line.replace(b"\n", b"")), max_size=20)
TEXT = b"".join(b'{"n":%d}\n' % number for number in range(2000))
PACK = {"gz": gzip.compress, "zst": zstandard.ZstdCompressor().compress}
KINDS = pytest.mark.parametrize("kind", PACK)


def dripping(content: bytes, step: int) -> Iterator[bytes]:
    return (content[start : start + step] for start in range(0, len(content), step))


def read(content: bytes, name: str) -> bytes:
    return b"".join(decompress(io.BytesIO(content), name, len(content)))


@given(LINES, st.integers(1, 40))
def test_lines_are_the_same_in_pieces_of_any_size(lines: list[bytes], step: int) -> None:
    assert list(split_lines(dripping(b"".join(line + b"\n" for line in lines), step))) == lines


@given(LINES, st.binary(min_size=1, max_size=30).map(lambda line: line.replace(b"\n", b"x")), st.integers(1, 40))
def test_a_last_line_without_an_end_counts(lines: list[bytes], last: bytes, step: int) -> None:
    assert list(split_lines(dripping(b"\n".join([*lines, last]), step))) == [*lines, last]


@given(LINES, st.integers(1, 40), st.integers(0, 30))
def test_a_line_above_the_longest_is_told_and_the_others_are_read(lines: list[bytes], step: int, longest: int) -> None:
    found = list(split_lines(dripping(b"".join(line + b"\n" for line in lines), step), longest))

    assert found == [line if len(line) <= longest else None for line in lines]


def test_nothing_has_no_lines() -> None:
    assert list(split_lines(iter([]))) == []


@pytest.mark.parametrize("name", ["a.jsonl", "a", "a.csv", "a.gz.jsonl"])
def test_a_name_that_says_nothing_of_compression_is_read_as_it_is(name: str) -> None:
    content = gzip.compress(TEXT)

    assert read(content, name) == content


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.jsonl.gz", "gz"), ("a.gz", "gz"), ("A.JSONL.GZ", "gz"), ("a.jsonl.zst", "zst"), ("a.zst", "zst")],
)
def test_a_name_says_how_its_content_is_compressed(name: str, kind: str) -> None:
    assert read(PACK[kind](TEXT), name) == TEXT


@KINDS
def test_a_file_that_was_compressed_in_pieces_is_read_to_its_end(kind: str) -> None:
    pieces = [PACK[kind](b'{"n":%d}\n' % number) for number in range(3)]

    assert read(b"".join(pieces), f"a.{kind}") == b'{"n":0}\n{"n":1}\n{"n":2}\n'


@KINDS
def test_an_empty_file_unpacks_to_nothing(kind: str) -> None:
    assert read(b"", f"a.{kind}") == read(PACK[kind](b""), f"a.{kind}") == b""


def test_a_skippable_frame_is_skipped() -> None:
    skipped = (0x184D2A50).to_bytes(4, "little") + (5).to_bytes(4, "little") + b"hello"

    assert read(skipped + PACK["zst"](TEXT) + skipped, "a.zst") == TEXT


def test_what_is_unpacked_comes_in_pieces_of_bounded_size() -> None:
    content = PACK["zst"](b"\n" * (64 << 20))

    sizes: list[int] = []
    with pytest.raises(TooLarge):
        sizes.extend(len(piece) for piece in decompress(io.BytesIO(content), "a.zst", len(content)))

    assert max(sizes) <= CHUNK_BYTES


@KINDS
@pytest.mark.parametrize("missing", [1, 4, 9, 500])
def test_a_file_that_was_cut_off_is_corrupt(kind: str, missing: int) -> None:
    with pytest.raises(InvalidInput, match="could not be unpacked to its end") as refusal:
        read(PACK[kind](TEXT)[:-missing], f"a.{kind}")

    assert refusal.value.code == "corrupt_compression"


@KINDS
@pytest.mark.parametrize("content", [TEXT, b"x", b"\x1f\x8b", b"\x28\xb5\x2f\xfd"])
def test_a_file_that_is_not_what_its_name_says_is_corrupt(kind: str, content: bytes) -> None:
    with pytest.raises(InvalidInput) as refusal:
        read(content, f"a.{kind}")

    assert refusal.value.code == "corrupt_compression"


@KINDS
def test_something_else_behind_the_end_is_corrupt(kind: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        read(PACK[kind](TEXT) + TEXT, f"a.{kind}")

    assert refusal.value.code == "corrupt_compression"


def test_a_frame_that_needs_much_memory_is_refused_with_a_way_around() -> None:
    wide = zstandard.ZstdCompressionParameters.from_level(3, window_log=27)
    packing = zstandard.ZstdCompressor(compression_params=wide).compressobj()

    with pytest.raises(InvalidInput, match="without --long and --ultra") as refusal:
        read(packing.compress(TEXT) + packing.flush(), "a.zst")

    assert refusal.value.code == "window_too_large"


def test_the_strongest_ordinary_compression_is_read() -> None:
    packing = zstandard.ZstdCompressor(level=19).compressobj()

    assert read(packing.compress(TEXT) + packing.flush(), "a.zst") == TEXT


@KINDS
def test_a_small_file_may_repeat_itself(kind: str) -> None:
    assert read(PACK[kind](b"a" * 1_000_000), f"a.{kind}") == b"a" * 1_000_000


@KINDS
def test_a_ratio_above_the_limit_is_refused(kind: str) -> None:
    with pytest.raises(TooLarge, match="more than 200 times its") as refusal:
        read(PACK[kind](bytes(64 << 20)), f"a.{kind}")

    assert refusal.value.code == "compression_ratio_too_high"


def test_an_object_above_the_limit_is_refused_unread() -> None:
    untouched = io.BytesIO(TEXT)

    with pytest.raises(TooLarge, match=r"The file has 1,073,741,825 bytes; at most 1 GiB are read\.") as refusal:
        list(decompress(untouched, "a.jsonl", OBJECT_BYTES + 1))

    assert refusal.value.code == "object_too_large"
    assert untouched.tell() == 0
    assert list(decompress(untouched, "a.jsonl", OBJECT_BYTES)) == [TEXT]
