"""The port to providers, method by method, on every wire: what the loop relies on, whoever trains."""

from inspect import getmembers, isfunction
from typing import Any

import pytest

from tests.contract.conftest import Wire
from tests.contract.lines import ANSWERS, WORDS
from tuneloop.domain.errors import ProviderRefused
from tuneloop.domain.examples import Split
from tuneloop.domain.jobs import Method, ProviderJob
from tuneloop.domain.registry import VersionStatus
from tuneloop.providers.base import JOB_NOT_FOUND, Provider

QUESTION: list[dict[str, str]] = [
    {"role": "system", "content": "Name the topic."},
    {"role": "user", "content": f"{WORDS[1]}, order 99."},
]


def served(wire: Wire, job: ProviderJob) -> str:
    """What calls name a job's model by, once it is served."""
    assert job.fine_tuned_model
    if wire.provider.hosting is None:
        return job.fine_tuned_model
    hosted = wire.provider.hosting.deploy("contract", job.fine_tuned_model)
    while hosted.status == VersionStatus.DEPLOYING:
        seen = wire.provider.hosting.hosted(hosted.id)
        assert seen
        hosted = seen
    return hosted.id


def test_every_method_of_the_port_has_its_test() -> None:
    methods = {name for name, _ in getmembers(Provider, isfunction) if not name.startswith("_")}
    tests = [name.removeprefix("test_").split("__")[0] for name in globals() if name.startswith("test_")]

    assert methods <= set(tests), methods - set(tests)


def test_capabilities__take_what_is_possible_and_name_what_is_not(wire: Wire) -> None:
    able = wire.provider.capabilities(wire.base_model)

    assert able.refusal(Method.SUPERVISED, wire.chosen, wire.provider.region, "support") is None
    refusal = able.refusal(Method.SUPERVISED, {"n_epochs": 0}, wire.provider.region)
    assert refusal
    assert refusal.param == "hyperparameters.n_epochs"


def test_prepare__may_be_called_at_any_time(wire: Wire) -> None:
    wire.provider.prepare()
    wire.provider.prepare()


def test_close__leaves_a_provider_that_can_be_asked_again(wire: Wire) -> None:
    wire.provider.close()

    assert wire.provider.find_file(wire.file("never-uploaded")) is None


def test_models__list_the_base_model(wire: Wire) -> None:
    assert wire.base_model in {model.id for model in wire.provider.models()}


def test_find_file__finds_what_was_uploaded_and_nothing_else(wire: Wire) -> None:
    uploaded = wire.uploaded("found")

    assert wire.provider.find_file(wire.file("found")) == uploaded
    assert wire.provider.find_file(wire.file("found", Split.VALIDATION)) is None


def test_upload__gives_an_id_that_a_job_can_train_on(wire: Wire) -> None:
    assert wire.uploaded("uploaded")


def test_delete_files__deletes_those_and_no_others_and_twice_is_no_trouble(wire: Wire) -> None:
    gone, kept = wire.file("gone"), wire.file("kept")
    wire.uploaded("gone")
    wire.uploaded("kept")

    assert wire.provider.delete_files([gone]) >= 1
    assert wire.provider.delete_files([gone]) == 0

    assert wire.provider.find_file(gone) is None
    assert wire.provider.find_file(kept)


def test_create_job__makes_a_job_that_carries_its_origin(wire: Wire, trained: ProviderJob) -> None:
    assert trained.id
    assert trained.created_at
    assert trained.run in (None, wire.origin("trained").run)


def test_find_jobs__finds_a_run_s_jobs_and_none_of_another(wire: Wire, trained: ProviderJob) -> None:
    run = wire.origin("trained").run

    assert [job.id for job in wire.provider.find_jobs(run)] == [trained.id]
    assert wire.provider.find_jobs(wire.origin("never-created").run) == []


def test_get_job__says_what_came_of_it(wire: Wire, trained: ProviderJob) -> None:
    found = wire.provider.get_job(trained.id, 5)

    assert (found.status, found.fine_tuned_model) == ("succeeded", trained.fine_tuned_model)
    assert found.finished_at
    assert found.error is None
    assert found.trained_tokens is None or found.trained_tokens > 0


def test_get_job__of_none_is_refused_by_a_code_of_its_own(wire: Wire, trained: ProviderJob) -> None:
    unknown = trained.id[:-4] + ("aaaa" if trained.id[-4:] != "aaaa" else "bbbb")

    with pytest.raises(ProviderRefused) as told:
        wire.provider.get_job(unknown, 5)

    assert told.value.code == JOB_NOT_FOUND


def test_cancel_job__stops_one_that_runs_and_leaves_one_that_has_ended(wire: Wire, trained: ProviderJob) -> None:
    running = wire.created("cancelled")

    wire.provider.cancel_job(running.id, 5)
    wire.provider.cancel_job(trained.id, 5)

    assert wire.ended(running).status in ("cancelled", "succeeded")
    assert wire.provider.get_job(trained.id, 5).status == "succeeded"


def test_jobs__are_listed_newest_first(wire: Wire, trained: ProviderJob) -> None:
    newer = wire.created("newer")

    listed = [job.id for job in wire.provider.jobs()]

    assert listed.index(newer.id) < listed.index(trained.id)
    wire.provider.cancel_job(newer.id, 5)
    wire.ended(newer)


def test_origin_of__says_all_that_is_needed_to_make_its_run_again(wire: Wire, trained: ProviderJob) -> None:
    [found] = [job for job in wire.provider.jobs() if job.id == trained.id]

    assert wire.provider.origin_of(found) == wire.origin("trained")


def test_events__are_in_order_and_the_whole_of_them_begins_at_the_first_step(wire: Wire, trained: ProviderJob) -> None:
    if not wire.provider.capabilities(wire.base_model).reports_events:
        pytest.skip("this wire tells of no steps while it trains")

    latest, whole = wire.provider.events(trained.id, 5), wire.provider.events(trained.id, 5, whole=True)

    steps = [event.step for event in whole if event.step is not None]
    assert steps == sorted(steps)
    assert [event.id for event in whole][-len(latest) :] == [event.id for event in latest]
    assert any(event.train_loss is not None for event in whole)


def test_checkpoints__are_those_of_the_job_where_there_are_any(wire: Wire, trained: ProviderJob) -> None:
    found = wire.provider.checkpoints(trained.id, 5)

    assert all(checkpoint.id for checkpoint in found)


def test_complete__answers_as_it_was_trained(wire: Wire, trained: ProviderJob) -> None:
    request: dict[str, Any] = {"model": served(wire, trained), "messages": QUESTION}

    answer = wire.provider.complete(request, 20)

    assert answer.text == ANSWERS[1]
    assert answer.usage
    assert answer.usage.prompt_tokens > 0


def test_stream__says_the_same_in_pieces_with_its_usage_last(wire: Wire, trained: ProviderJob) -> None:
    request: dict[str, Any] = {"model": served(wire, trained), "messages": QUESTION}

    chunks = list(wire.provider.stream(request, 20))

    said = [choice.delta.get("content") or "" for chunk in chunks for choice in chunk.choices]
    assert "".join(said) == wire.provider.complete(request, 20).text
    assert chunks[-1].usage
    assert chunks[-1].usage.completion_tokens > 0
