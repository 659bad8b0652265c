"""Files on OpenAI's wire, as its unmodified SDK sends and reads them."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from openai import APIStatusError, BadRequestError, NotFoundError, OpenAI, PermissionDeniedError

from tests.examples import chat
from tests.functions import steps
from tests.functions.gateway import serve_gateway
from tests.world import World
from tuneloop.app import app
from tuneloop.domain.chat.examples import Split
from tuneloop.domain.core.access import Scope
from tuneloop.domain.core.limits import FILE_BYTES


@pytest.fixture
def client(world: World) -> Iterator[OpenAI]:
    with serve_gateway() as url, OpenAI(base_url=url, api_key=world.key, max_retries=0) as made:
        yield made


def jsonl(lines: list[Any]) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def upload(client: OpenAI, content: bytes, name: str = "train.jsonl", **fields: Any) -> Any:
    return client.files.create(file=(name, content), purpose=fields.pop("purpose", "fine-tune"), **fields)


def refusal(client: OpenAI, content: bytes, name: str = "train.jsonl", **fields: Any) -> Any:
    with pytest.raises(APIStatusError) as refused:
        upload(client, content, name, **fields)
    return refused.value


def test_a_file_is_a_dataset_all_of_which_trains(world: World, client: OpenAI) -> None:
    lines = [chat("hi", "yes"), *steps.questions(30), chat("Where is order 1?", "lost")]

    file = upload(client, jsonl(lines))
    world.schedule("collect-examples")
    world.settle()

    assert (file.object, file.filename, file.purpose, file.status) == ("file", "train.jsonl", "fine-tune", "processed")
    assert file.bytes == len(jsonl(lines))
    dataset = world.call("GET /v1/datasets/{dataset}", f"/v1/datasets/{file.id}").body
    assert (dataset["examples"], dataset["on_drop"]) == (len(lines), "collect")
    [export] = app.exports.all(world.tenant, file.id)
    assert [export.files[split].examples for split in Split] == [len(lines), 0, 0]
    assert steps.runs(world) == []


def test_the_same_content_is_the_same_file(client: OpenAI) -> None:
    content = jsonl(steps.questions(12))

    first, again, other = upload(client, content), upload(client, content, "again.jsonl"), upload(client, content * 2)

    assert first == again
    assert other.id != first.id
    assert client.files.retrieve(first.id) == first


def test_an_upload_that_was_broken_off_is_taken_up_again(
    world: World, client: OpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = jsonl(steps.questions(12))

    def die(*_: Any, **__: Any) -> None:
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(app.datasets, "add_segment", die)
        assert refusal(client, content).status_code == 500
    file = upload(client, content)

    assert app.datasets.get(world.tenant, file.id).examples == 12


def test_files_are_listed_by_time_a_page_at_a_time(client: OpenAI) -> None:
    made = [upload(client, jsonl(steps.questions(12 + number))).id for number in range(3)]

    assert [file.id for file in client.files.list(limit=2)] == made[::-1]
    assert [file.id for file in client.files.list(limit=1, order="asc")] == made
    first = client.files.list(limit=2)
    assert (len(first.data), first.has_more) == (2, True)
    rest = client.files.list(limit=2, after=first.data[-1].id)
    assert ([file.id for file in rest.data], rest.has_more) == (made[:1], False)
    assert [file.id for file in client.files.list(purpose="fine-tune")] == made[::-1]
    assert client.files.list(purpose="assistants").data == []


def test_content_is_what_the_file_holds(client: OpenAI) -> None:
    lines = [chat(f"Where is “order” {number}?", "späť") for number in range(12)]
    file = upload(client, jsonl(lines))

    content = client.files.content(file.id).text

    assert sorted(content.splitlines()) == sorted(
        json.dumps(line, ensure_ascii=False, separators=(",", ":"), sort_keys=True) for line in lines
    )


def test_content_that_no_answer_has_room_for_is_found_in_the_export(
    client: OpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = upload(client, jsonl(steps.questions(12)))
    monkeypatch.setattr("collect_examples.openai_files.ANSWERED_BYTES", 500)

    with pytest.raises(APIStatusError, match=f"GET /v1/datasets/{file.id}/exports/") as refused:
        client.files.content(file.id)

    assert (refused.value.status_code, refused.value.code) == (413, "too_large")


BAD: dict[str, tuple[bytes, str]] = {
    "no answer": (jsonl([chat("a", "b"), {"messages": [{"role": "user", "content": "hi"}]}]), "line 2, messages"),
    "no JSON": (b'{"messages": [\n', "line 1: Not valid JSON"),
    "another form": (jsonl([{"text": "hello"}]), "line 1"),
    "nothing": (b"\n\n", "file: The file has no lines"),
    "no UTF-8": (b"\xff\xfe\n", "line 1: Not UTF-8"),
    "three faults": (b"[\n[\n[\n", "2 more such faults"),
}


@pytest.mark.parametrize(("content", "why"), BAD.values(), ids=BAD)
def test_a_bad_line_is_said_at_once_and_leaves_nothing(content: bytes, why: str, world: World, client: OpenAI) -> None:
    refused = refusal(client, content)

    assert isinstance(refused, BadRequestError)
    assert (refused.code, refused.param, refused.type) == ("invalid_file", "file", "invalid_request_error")
    assert why in refused.message
    assert "hello" not in refused.message
    assert (client.files.list().data, world.call("GET /v1/datasets", "/v1/datasets").body["data"]) == ([], [])


def test_a_file_of_another_name_or_purpose_is_refused(client: OpenAI) -> None:
    content = jsonl(steps.questions(12))

    assert refusal(client, content, "train.csv").code == "invalid_file_format"
    assert refusal(client, content, purpose="assistants").code == "invalid_purpose"
    expiring = refusal(client, content, expires_after={"anchor": "created_at", "seconds": 3600})
    assert (expiring.status_code, expiring.code, expiring.param) == (400, "not_supported", "expires_after")


def test_a_name_is_shown_and_never_a_path(client: OpenAI) -> None:
    file = upload(client, jsonl(steps.questions(12)), "../../exports/other/\x07evil.jsonl")

    assert file.filename in ("evil.jsonl", "%07evil.jsonl")


@pytest.mark.parametrize("size", [FILE_BYTES + 1, 4_600_000], ids=["for a file", "for a body"])
def test_a_file_above_the_limit_is_told_how_else(size: int, client: OpenAI) -> None:
    refused = refusal(client, b"x" * size)

    assert (refused.status_code, refused.code, refused.param) == (413, "too_large", "file")
    assert "/uploads" in refused.message
    assert "training_file" in refused.message


def test_a_file_at_the_limit_is_taken(world: World, client: OpenAI) -> None:
    line = json.dumps(chat("Where is it?", "late")).encode()
    content = line + b" " * (FILE_BYTES - len(line))

    assert app.datasets.get(world.tenant, upload(client, content).id).examples == 1


def test_deleting_is_refused_and_says_what_to_do(client: OpenAI) -> None:
    file = upload(client, jsonl(steps.questions(12)))

    with pytest.raises(BadRequestError, match="/v1/erasures") as refused:
        client.files.delete(file.id)

    assert refused.value.code == "not_supported"


def test_another_tenant_s_file_is_not_there(world: World, client: OpenAI) -> None:
    file = upload(client, jsonl(steps.questions(12)))
    other = client.with_options(api_key=world.new_key(*Scope, tenant="other"))

    for ask in (other.files.retrieve, other.files.content, other.files.delete):
        with pytest.raises(NotFoundError):
            ask(file.id)
    with pytest.raises(NotFoundError):
        other.files.list(after=file.id)
    assert other.files.list().data == []
    assert upload(other, jsonl(steps.questions(12))).id != file.id


def test_a_file_takes_the_scope_collect(world: World, client: OpenAI) -> None:
    with pytest.raises(PermissionDeniedError):
        upload(client.with_options(api_key=world.new_key(Scope.READ)), jsonl(steps.questions(12)))
