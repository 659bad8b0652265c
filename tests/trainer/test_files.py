import http.client
from urllib.parse import urlsplit

import pytest
from openai import BadRequestError, NotFoundError, OpenAI

from tests.trainer.trainer_process import Trainer, intents, jsonl, upload


def test_an_uploaded_file_can_be_looked_at_listed_and_downloaded(client: OpenAI) -> None:
    content = jsonl(intents(10))

    file = client.files.create(file=("mine.jsonl", content), purpose="fine-tune")

    assert file.id.startswith("file-")
    assert (file.object, file.bytes, file.filename, file.purpose) == ("file", len(content), "mine.jsonl", "fine-tune")
    assert client.files.retrieve(file.id) == file
    assert client.files.wait_for_processing(file.id).status == "processed"
    assert file in client.files.list(purpose="fine-tune").data
    assert client.files.content(file.id).content == content


def test_a_deleted_file_is_gone(client: OpenAI) -> None:
    file_id = upload(client, intents(10))

    deletion = client.files.delete(file_id)

    assert (deletion.id, deletion.object, deletion.deleted) == (file_id, "file", True)
    for call in (client.files.retrieve, client.files.content, client.files.delete):
        with pytest.raises(NotFoundError) as refused:
            call(file_id)
        assert refused.value.code == "file_not_found"


def test_listing_walks_all_pages_in_either_order(client: OpenAI) -> None:
    newest_last = [upload(client, intents(10), f"{number}.jsonl") for number in range(3)]

    walked = [file.id for file in client.files.list(limit=2)]
    walked_up = [file.id for file in client.files.list(limit=2, order="asc")]

    assert walked[:3] == newest_last[::-1]
    assert walked_up == walked[::-1]


def test_a_file_may_expire(client: OpenAI) -> None:
    content = jsonl(intents(10))

    file = client.files.create(
        file=("short.jsonl", content), purpose="fine-tune", expires_after={"anchor": "created_at", "seconds": 3600}
    )

    assert file.expires_at == file.created_at + 3600


@pytest.mark.parametrize(
    ("name", "content", "more", "param"),
    [
        ("train.jsonl", b"{}\n", {"purpose": "vision"}, "purpose"),
        ("train.csv", b"{}\n", {"purpose": "fine-tune"}, "file"),
        ("train.jsonl", b"", {"purpose": "fine-tune"}, "file"),
        (
            "train.jsonl",
            b"{}\n",
            {"purpose": "fine-tune", "expires_after": {"anchor": "created_at", "seconds": 60}},
            "expires_after",
        ),
    ],
)
def test_an_upload_that_cannot_be_used_is_refused(
    client: OpenAI, name: str, content: bytes, more: dict[str, object], param: str
) -> None:
    with pytest.raises(BadRequestError) as refused:
        client.files.create(file=(name, content), **more)  # type: ignore[arg-type]

    assert refused.value.param == param
    assert refused.value.type == "invalid_request_error"


def test_a_body_above_512_megabytes_is_refused_before_it_is_read(trainer: Trainer) -> None:
    where = urlsplit(trainer.url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=10)

    connection.putrequest("POST", "/v1/files")
    connection.putheader("content-type", "multipart/form-data; boundary=x")
    connection.putheader("content-length", str(600 * 1024 * 1024))
    connection.endheaders()
    status = connection.getresponse().status
    connection.close()

    assert status == 413
