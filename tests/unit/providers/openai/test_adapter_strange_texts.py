"""Half characters and endless numbers of other users of an account: they hide nothing, and name nothing."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.providers.server import FILE, Play, Server
from tuneloop.domain.core.errors import ProviderUnavailable
from tuneloop.providers.openai.adapter import OpenAICompatible as Provider

OURS: dict[str, Any] = {"id": "ftjob-1", "status": "running", "created_at": 1, "metadata": {"tuneloop_run": "run-1"}}
NAMED: dict[str, Any] = {"id": "file-1", "filename": f"{FILE.name}"}
HALF, ENDLESS = '"cut \\ud83d"', "9" * 5000
strange = pytest.mark.parametrize("value", [HALF, ENDLESS, "-" + ENDLESS, '"\\udc00\\ud800"'], ids=range(4))
LISTS: dict[str, tuple[dict[str, Any], Callable[[Provider], Any]]] = {
    "jobs": (OURS, lambda provider: [job.id for job in provider.jobs()][-1:] == ["ftjob-1"]),
    "find_jobs": (OURS, lambda provider: [job.id for job in provider.find_jobs("run-1")] == ["ftjob-1"]),
    "models": ({"id": "m-1"}, lambda provider: "m-1" in [model.id for model in provider.models()]),
    "has_model": ({"id": "m-1"}, lambda provider: provider.has_model("m-1", 5)),
    "find_file": (NAMED, lambda provider: provider.find_file(FILE) == "file-1"),
    "events": ({"id": "e-1", "message": "ok"}, lambda provider: provider.events("ftjob-1", 5)[0].message == "ok"),
    "checkpoints": (
        {"id": "c-1", "fine_tuned_model_checkpoint": "m"},
        lambda provider: provider.checkpoints("ftjob-1", 5)[-1].id == "c-1",
    ),
}


def page(odd: str, good: dict[str, Any], *, has_more: bool = False) -> bytes:
    return f'{{"data":[{odd},{json.dumps(good)}],"has_more":{json.dumps(has_more)}}}'.encode()


@pytest.mark.parametrize(("good", "finds"), LISTS.values(), ids=LISTS)
@strange
@pytest.mark.parametrize(
    "odd",
    [
        '{{"id":"x-2","status":"failed","error":{{"message":{0}}},"message":{0}}}',
        '{{"id":"x-2","status":"failed","metadata":{{"note":{0}}},"seed":{0},"step_number":{0},"owned_by":{0}}}',
        '{{"id":{0},"status":{0},"filename":{0},"created_at":{0},"fine_tuned_model_checkpoint":"m"}}',
        "{0}",
    ],
    ids=["message", "fields", "id", "row"],
)
def test_one_strange_thing_in_a_list_hides_no_other(
    good: dict[str, Any], finds: Callable[[Provider], Any], odd: str, value: str, server: Server, provider: Provider
) -> None:
    server.plays_next(page(odd.format(value), good))

    assert finds(provider)


@strange
def test_a_job_of_ours_is_read_in_spite_of_what_it_says(value: str, server: Server, provider: Provider) -> None:
    said = f'{{"id":"ftjob-1","status":"failed","error":{{"code":"c","message":{value}}},"trained_tokens":{value}}}'
    server.plays_next(said.encode())

    job = provider.get_job("ftjob-1", 5)

    assert (job.id, job.status, job.trained_tokens) == ("ftjob-1", "failed", None)
    assert job.model_dump_json()


def test_bytes_that_are_no_text_hide_no_job(server: Server, provider: Provider) -> None:
    server.plays_next(
        page('{"id":"ftjob-2","status":"failed","error":"caf\\u00e9 FF"}', OURS).replace(b"FF", b"\xf0\x9f")
    )

    assert [job.id for job in provider.jobs()] == ["ftjob-2", "ftjob-1"]


def test_an_answer_with_an_endless_number_beside_its_text_is_kept(server: Server, provider: Provider) -> None:
    choice = json.dumps({"message": {"role": "assistant", "content": "late"}})
    server.plays_next(f'{{"choices":[{choice}],"created":{ENDLESS}}}'.encode())

    answer = provider.complete({"model": "m", "messages": []}, 5)

    assert (answer.text, answer.created) == ("late", 0)


def test_what_is_named_by_half_a_character_has_no_name(server: Server, provider: Provider) -> None:
    server.plays_next(b'{"id":"job \\ud83d","status":"queued"}')

    with pytest.raises(ProviderUnavailable, match="makes no sense"):
        provider.get_job("ftjob-1", 5)


@pytest.mark.parametrize("identity", [HALF, "5", "null", "[]"])
def test_a_page_that_ends_with_a_strange_job_is_not_the_last(identity: str, server: Server, provider: Provider) -> None:
    first = f'{{"data":[{{"id":"ftjob-9","status":"x"}},{{"id":{identity},"status":"x"}}],"has_more":true}}'
    server.plays_next(Play(first.encode()), {"data": [OURS], "has_more": False})

    assert [job.id for job in provider.jobs()] == ["ftjob-9", "ftjob-1"]
    assert server.asked[-1].query["after"] == ["ftjob-9"]
