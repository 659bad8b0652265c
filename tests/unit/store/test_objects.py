"""Objects: lines come out as they went in, whatever their size, ends and compression."""

import hashlib
import io
from urllib.request import Request

import boto3
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from tests.world import BUCKET
from tuneloop.app import App
from tuneloop.domain.errors import NotFound
from tuneloop.store.objects import CHUNK_BYTES, split_lines

LINES = st.lists(st.binary(max_size=30).map(lambda line: line.replace(b"\n", b"")), max_size=20)


class Dripping(io.BytesIO):
    """A stream that gives a few bytes at a time, as a network does."""

    def __init__(self, content: bytes, step: int) -> None:
        super().__init__(content)
        self._step = step

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(self._step, size or self._step))


@given(LINES, st.integers(1, 40))
def test_lines_are_the_same_in_reads_of_any_size(lines: list[bytes], step: int) -> None:
    assert list(split_lines(Dripping(b"".join(line + b"\n" for line in lines), step))) == lines


@given(LINES, st.binary(min_size=1, max_size=30).map(lambda line: line.replace(b"\n", b"x")))
def test_a_last_line_without_an_end_counts(lines: list[bytes], last: bytes) -> None:
    assert list(split_lines(io.BytesIO(b"\n".join([*lines, last])))) == [*lines, last]


def test_an_empty_object_has_no_lines() -> None:
    assert list(split_lines(io.BytesIO(b""))) == []


def test_a_line_may_be_longer_than_a_read(stage: App) -> None:
    lines = [b"a" * (CHUNK_BYTES * 2 + 7), b"b"]
    stage.objects.put("x.jsonl", b"\n".join(lines))

    assert list(stage.objects.lines("x.jsonl")) == lines


def test_a_segment_is_named_by_its_content_and_read_back(stage: App) -> None:
    lines = [b'{"n":1}', '{"n":"ü"}'.encode()]
    content = b"".join(line + b"\n" for line in lines)

    key, written = stage.objects.put_segment("datasets/acme/support/segments/", iter(lines))
    again, _ = stage.objects.put_segment("datasets/acme/support/segments/", lines)

    assert key == again == f"datasets/acme/support/segments/{hashlib.sha256(content).hexdigest()}.jsonl.zst"
    assert (written.bytes, written.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert list(stage.objects.lines(key)) == lines


def test_a_file_that_was_compressed_in_pieces_is_read_to_its_end(stage: App) -> None:
    frames = [zstandard.ZstdCompressor().compress(b'{"n":%d}\n' % number) for number in range(3)]
    stage.objects.put("incoming/acme/support/a.jsonl.zst", b"".join(frames))

    assert list(stage.objects.lines("incoming/acme/support/a.jsonl.zst")) == [b'{"n":0}', b'{"n":1}', b'{"n":2}']


def test_an_object_that_is_not_there_is_named(stage: App) -> None:
    with pytest.raises(NotFound, match="There is no object exports/x") as refusal:
        list(stage.objects.lines("exports/x"))

    assert refusal.value.param == "key"


def test_an_object_is_downloaded_from_its_start(stage: App) -> None:
    stage.objects.put("x", io.BytesIO(b"content"))

    with stage.objects.download("x") as file:
        assert file.read() == b"content"


def test_a_link_is_for_one_object_and_fifteen_minutes(stage: App) -> None:
    link = Request(stage.objects.link("exports/acme/support/e/train.jsonl"))

    assert "/exports/acme/support/e/train.jsonl?" in link.full_url
    assert BUCKET in link.full_url
    assert "Expires=" in link.full_url


def test_writing_again_keeps_the_newest(stage: App) -> None:
    stage.objects.put("x", b"old")
    stage.objects.put("x", b"new")

    assert boto3.client("s3").get_object(Bucket=BUCKET, Key="x")["Body"].read() == b"new"
