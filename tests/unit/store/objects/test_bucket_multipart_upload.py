"""Uploading: an object comes whole, in one piece or in parts, or not at all."""

import pytest

from tuneloop.app import App
from tuneloop.domain.core.errors import NotFound
from tuneloop.store.objects import bucket

MIB = 1 << 20


@pytest.mark.parametrize("mebibytes", [0, 1, 5, 12])
def test_what_was_written_is_the_object(stage: App, monkeypatch: pytest.MonkeyPatch, mebibytes: int) -> None:
    monkeypatch.setattr(bucket, "PART_BYTES", 5 * MIB)
    pieces = [bytes([65 + number]) * MIB for number in range(mebibytes)]
    upload = stage.objects.upload("exports/x.jsonl")

    for piece in pieces:
        upload.write(piece)
    upload.end()

    with stage.objects.download("exports/x.jsonl") as content:
        assert content.read() == b"".join(pieces)


def test_an_upload_that_never_ends_leaves_no_object(stage: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket, "PART_BYTES", 5 * MIB)
    upload = stage.objects.upload("exports/x.jsonl")

    upload.write(b"x" * 6 * MIB)

    with pytest.raises(NotFound):
        stage.objects.download("exports/x.jsonl")
