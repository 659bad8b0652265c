"""Objects: lines come out as they went in, whatever their size, ends and compression."""

import hashlib
import io
from urllib.request import Request

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from tests.unit.factories import NOW
from tests.world import BUCKET
from tuneloop.app import App
from tuneloop.domain.core.errors import NotFound
from tuneloop.domain.core.limits import LINE_BYTES
from tuneloop.domain.datasets.datasets import Segment
from tuneloop.observability import kind_of
from tuneloop.store.objects.segments import SegmentBuilder, folder_of


def written(lines: list[bytes], stage: App) -> Segment:
    builder = SegmentBuilder()
    builder.add(lines, tokens=0)
    return builder.write(folder_of("acme", "support"), stage.objects, revision=0, without=0, now=NOW)


def test_a_segment_is_named_by_its_content_and_read_back(stage: App) -> None:
    lines = [b'{"n":1}', '{"n":"ü"}'.encode()]
    content = b"".join(line + b"\n" for line in lines)

    segment, again = (written(lines, stage) for _ in range(2))

    assert segment.key == again.key == f"datasets/acme/support/segments/{hashlib.sha256(content).hexdigest()}.jsonl.zst"
    assert (segment.bytes, segment.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert list(stage.objects.lines(segment.key)) == lines


def test_an_object_that_is_not_there_is_named(stage: App) -> None:
    with pytest.raises(NotFound, match="There is no object exports/x") as refusal:
        list(stage.objects.lines("exports/x"))

    assert refusal.value.param == "key"


def test_a_version_that_is_not_there_is_the_same(stage: App) -> None:
    stage.objects.put("x", b"content")

    with pytest.raises(NotFound, match="There is no object x"):
        list(stage.objects.dropped_lines("x", "00000000-0000-0000-0000-000000000000"))


def test_an_object_that_is_not_there_can_t_be_downloaded(stage: App) -> None:
    with pytest.raises(NotFound, match="There is no object exports/x"):
        stage.objects.download("exports/x")


def test_a_missing_object_without_the_right_to_list_says_both_causes(stage: App) -> None:
    """S3 tells such a role of no object whether it is there."""
    with Stubber(stage.objects._client) as stub:
        stub.add_client_error("get_object", "AccessDenied", http_status_code=403)
        with pytest.raises(NotFound, match="exports/x is gone, or may not be read") as read:
            list(stage.objects.lines("exports/x"))
        stub.add_client_error("head_object", "403", http_status_code=403)
        with pytest.raises(NotFound, match="exports/x is gone, or may not be read"):
            stage.objects.download("exports/x")

    assert kind_of(read.value) == "NotFound:GetObject:AccessDenied"


def test_another_refusal_stays_what_it_is(stage: App) -> None:
    with Stubber(stage.objects._client) as stub:
        stub.add_client_error("get_object", "InvalidRange")
        with pytest.raises(ClientError, match="InvalidRange"):
            list(stage.objects.lines("exports/x"))


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


def test_a_drop_is_read_without_lines_that_are_too_long(stage: App) -> None:
    stage.objects.put("a.jsonl", b"a\n" + b"b" * (LINE_BYTES + 1) + b"\n" + b"c" * LINE_BYTES)

    assert list(stage.objects.dropped_lines("a.jsonl")) == [b"a", None, b"c" * LINE_BYTES]


def test_every_version_is_listed_but_of_what_was_deleted(stage: App) -> None:
    for name in ("kept", "gone", "back"):
        stage.objects.put(f"incoming/{name}", b"one")
        stage.objects.put(f"incoming/{name}", name.encode())
    s3 = boto3.client("s3")
    for name in ("gone", "back"):
        s3.delete_object(Bucket=BUCKET, Key=f"incoming/{name}")
    stage.objects.put("incoming/back", b"again")
    stage.objects.put("exports/x", b"x")

    found = list(stage.objects.versions("incoming/"))

    assert [(each.key, each.size) for each in found] == [
        ("incoming/back", 5),
        ("incoming/back", 4),
        ("incoming/back", 3),
        ("incoming/kept", 4),
        ("incoming/kept", 3),
    ]
    assert len({each.version for each in found}) == 5
    newest = s3.head_object(Bucket=BUCKET, Key="incoming/kept")
    assert (found[3].etag, found[3].version) == (newest["ETag"].strip('"'), newest["VersionId"])
