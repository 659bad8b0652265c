"""Files of every size on OpenAI's wire: in one piece, in parts, or not at all."""

import re
from io import BytesIO
from typing import Any

import pytest

from tests.unit.providers.server import FILE, Asked, Server
from tuneloop.domain.core.errors import ProviderRefused, ProviderUnavailable
from tuneloop.domain.training.model_offers import Capabilities
from tuneloop.providers.openai.adapter import OpenAICompatible as Provider

SMALL = Capabilities(whole_file_bytes=10, part_bytes=4, largest_file_bytes=30)
CONTENT = b"0123456789abcdef"


class Once(BytesIO):
    """A file of which nothing larger than a part is ever asked for."""

    def read(self, size: int | None = -1, /) -> bytes:
        assert size is not None
        assert 0 < size <= 4
        return super().read(size)


def taking(able: Capabilities, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider, "capabilities", lambda _: able)


def part_in(asked: Asked) -> bytes:
    found = re.search(rb'name="data".*?\r\n\r\n(.*?)\r\n--', asked.body, re.DOTALL)
    assert found
    return found.group(1)


def test_a_file_that_fits_goes_in_one_piece(
    server: Server, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    taking(SMALL, provider, monkeypatch)
    server.plays_next({"id": "file-1"})

    assert provider.upload(FILE, "base-1", BytesIO(CONTENT[:10])) == "file-1"

    assert [asked.path for asked in server.asked] == ["/v1/files"]
    assert CONTENT[:10] in server.asked[0].body


def test_a_larger_one_goes_in_parts_and_is_put_together_in_their_order(
    server: Server, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    taking(SMALL, provider, monkeypatch)
    parts: list[Any] = [{"id": f"part-{number}"} for number in range(4)]
    server.plays_next({"id": "upload-1"}, *parts, {"id": "upload-1", "file": {"id": "file-9"}})

    assert provider.upload(FILE, "base-1", Once(CONTENT)) == "file-9"

    begun, *sent, completed = server.asked
    assert (begun.path, begun.json["bytes"], begun.json["filename"]) == ("/v1/uploads", 16, FILE.name)
    assert begun.json["purpose"] == "fine-tune"
    assert [asked.path for asked in sent] == ["/v1/uploads/upload-1/parts"] * 4
    assert b"".join(map(part_in, sent)) == CONTENT
    assert completed.path == "/v1/uploads/upload-1/complete"
    assert completed.json == {"part_ids": ["part-0", "part-1", "part-2", "part-3"]}


@pytest.mark.parametrize(
    ("able", "most"),
    [(SMALL.model_copy(update={"largest_file_bytes": 15}), 15), (Capabilities(whole_file_bytes=10), 10)],
)
def test_one_that_is_too_large_is_refused_before_a_byte_is_sent(
    able: Capabilities, most: int, server: Server, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    taking(able, provider, monkeypatch)
    server.plays_next({})

    with pytest.raises(ProviderRefused, match=f"16 bytes, and the provider takes {most}") as told:
        provider.upload(FILE, "base-1", BytesIO(CONTENT))

    assert told.value.code == "file_too_large"
    assert not server.asked


@pytest.mark.parametrize("answer", [{}, {"id": "upload-1"}, {"id": "upload-1", "file": {}}])
def test_an_upload_without_a_file_makes_no_sense(
    answer: Any, server: Server, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    taking(SMALL.model_copy(update={"part_bytes": 16}), provider, monkeypatch)
    server.plays_next({"id": "upload-1"}, {"id": "part-1"}, answer)

    with pytest.raises(ProviderUnavailable, match="makes no sense"):
        provider.upload(FILE, "base-1", BytesIO(CONTENT))
