"""The port to providers, method by method, on every wire: what the loop relies on, whoever trains."""

import re
from inspect import getmembers, isfunction
from pathlib import Path
from typing import Any

import pytest

from tests.contract.conftest import Wire
from tests.contract.lines import ANSWERS, WORDS
from tuneloop.domain.chat.examples import Split
from tuneloop.domain.core.errors import ProviderRefused, ProviderUnavailable
from tuneloop.domain.training.jobs import ImportState, ProviderJob, TrainingMethod
from tuneloop.providers.port import JOB_NOT_FOUND, Hosting, Provider

LATEST = 100
QUESTION: list[dict[str, str]] = [
    {"role": "system", "content": "Name the topic."},
    {"role": "user", "content": f"{WORDS[1]}, order 99."},
]


def unknown_like(known: str) -> str:
    """A name of the same form that nothing has."""
    return known[:-4] + ("aaaa" if known[-4:] != "aaaa" else "bbbb")


def test_every_method_of_the_port_has_its_test() -> None:
    methods = {name for port in (Provider, Hosting) for name, _ in getmembers(port, isfunction) if name[0] != "_"}
    modules = Path(__file__).parent.glob("test_*_port.py")
    tests = {name for path in modules for name in re.findall(r"^def test_(\w+?)__", path.read_text("utf-8"), re.M)}

    assert methods <= tests, methods - tests


def test_capabilities__take_what_is_possible_and_name_what_is_not(wire: Wire) -> None:
    able = wire.provider.capabilities(wire.base_model)

    assert able.refusal(TrainingMethod.SUPERVISED, wire.chosen, wire.provider.region, "support") is None
    refusal = able.refusal(TrainingMethod.SUPERVISED, {"n_epochs": 0}, wire.provider.region)
    assert refusal
    assert refusal.param == "hyperparameters.n_epochs"


def test_prepare__may_be_called_at_any_time(wire: Wire) -> None:
    wire.provider.prepare()
    wire.provider.prepare()

    assert wire.base_model in {model.id for model in wire.provider.models()}


def test_close__leaves_a_provider_that_can_be_asked_again(wire: Wire) -> None:
    wire.provider.close()

    assert wire.provider.find_jobs(wire.origin("never-created").run) == []


def test_models__list_the_base_model(wire: Wire) -> None:
    assert wire.base_model in {model.id for model in wire.provider.models()}


def test_has_model__knows_what_can_be_called_and_what_is_mistyped(wire: Wire, served: str) -> None:
    asked = {name: wire.provider.has_model(name, 10) for name in (served, wire.base_model)}

    assert asked == {served: True, wire.base_model: True}
    assert wire.provider.has_model(unknown_like(served), 10) is False
    assert wire.provider.has_model(unknown_like(wire.base_model), 10) is False


def test_has_model__without_time_says_nothing(wire: Wire) -> None:
    with pytest.raises(ProviderUnavailable):
        wire.provider.has_model(wire.base_model, 0)


def test_find_file__finds_what_was_uploaded_and_nothing_else(wire: Wire) -> None:
    uploaded = wire.uploaded("found")

    assert wire.provider.find_file(wire.file("found")) == uploaded
    assert wire.provider.find_file(wire.file("found", Split.VALIDATION)) is None


def test_upload__gives_an_id_that_a_job_can_train_on(wire: Wire) -> None:
    assert wire.uploaded("uploaded")


def test_file_import__says_that_a_file_can_be_trained_on(wire: Wire) -> None:
    assert wire.provider.file_import(wire.uploaded("imported"), 5).state == ImportState.READY


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
    assert trained.run == wire.origin("trained").run
    assert trained.n_epochs == wire.chosen["n_epochs"]


def test_create_job__sent_again_makes_a_second_job_unless_it_creates_once(wire: Wire) -> None:
    first = wire.created("twice")

    again = wire.provider.create_job(wire.request("twice"))

    assert (again.id == first.id) == wire.provider.capabilities(wire.base_model).creates_once
    found = [job.id for job in wire.provider.find_jobs(wire.origin("twice").run)]
    assert sorted(found) == sorted({first.id, again.id})
    for job in found:
        wire.provider.cancel_job(job, 5)


def test_find_jobs__finds_a_run_s_jobs_and_none_of_another(wire: Wire, trained: ProviderJob) -> None:
    run = wire.origin("trained").run

    assert [job.id for job in wire.provider.find_jobs(run)] == [trained.id]
    assert wire.provider.find_jobs(wire.origin("never-created").run) == []


def test_get_job__says_what_came_of_it(wire: Wire, trained: ProviderJob) -> None:
    found = wire.provider.get_job(trained.id, 5)

    assert (found.status, found.fine_tuned_model) == ("succeeded", trained.fine_tuned_model)
    assert found.finished_at
    assert found.error is None
    able = wire.provider.capabilities(wire.base_model)
    assert bool(found.trained_tokens) == able.tells_tokens


def test_get_job__of_none_is_refused_by_a_code_of_its_own(wire: Wire, trained: ProviderJob) -> None:
    with pytest.raises(ProviderRefused) as told:
        wire.provider.get_job(unknown_like(trained.id), 5)

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


def test_origin_of__says_nothing_of_a_job_that_somebody_else_made(wire: Wire) -> None:
    stranger = wire.stranger()

    [found] = [job for job in wire.provider.jobs() if job.id == stranger]

    assert found.run is None
    assert wire.provider.origin_of(found) is None
    wire.provider.cancel_job(stranger, 5)


def test_events__are_in_order_and_the_whole_begins_at_the_first_step(wire: Wire, trained: ProviderJob) -> None:
    latest, whole = wire.provider.events(trained.id, 5), wire.provider.events(trained.id, 5, whole=True)

    steps = [event.step for event in whole if event.step is not None]
    assert steps == sorted(steps)
    assert [event.id for event in whole][-len(latest) :] == [event.id for event in latest]
    losses = [event.train_loss for event in whole if event.train_loss is not None]
    assert losses[-1] < losses[0]
    assert any(event.valid_loss is not None for event in whole)
    assert len(latest) <= LATEST


def test_checkpoints__are_those_of_the_job_where_there_are_any(wire: Wire, trained: ProviderJob) -> None:
    found = wire.provider.checkpoints(trained.id, 5)

    assert all(checkpoint.id for checkpoint in found)


def test_complete__answers_as_it_was_trained(wire: Wire, served: str) -> None:
    answer = wire.provider.complete({"model": served, "messages": QUESTION, "temperature": 0, "user": "ann"}, 20)

    assert answer.text == ANSWERS[1]
    assert answer.choices[0].finish_reason == "stop"
    assert answer.created > 0
    assert answer.usage
    read, written = answer.usage.prompt_tokens, answer.usage.completion_tokens
    assert read
    assert written
    assert answer.usage.total_tokens == read + written


def test_complete__answers_from_the_base_model_too(wire: Wire) -> None:
    assert wire.provider.complete({"model": wire.base_model, "messages": QUESTION}, 20).choices


def test_complete__refuses_a_model_that_is_gone_and_needs_time(wire: Wire, served: str) -> None:
    with pytest.raises(ProviderRefused):
        wire.provider.complete({"model": unknown_like(served), "messages": QUESTION}, 5)
    with pytest.raises(ProviderUnavailable):
        wire.provider.complete({"model": served, "messages": QUESTION}, 0)


def test_stream__says_the_same_in_pieces_with_its_usage_last(wire: Wire, served: str) -> None:
    request: dict[str, Any] = {"model": served, "messages": QUESTION}

    chunks = list(wire.provider.stream(request, 20))

    said = [choice for chunk in chunks for choice in chunk.choices]
    assert "".join(choice.delta.get("content") or "" for choice in said) == ANSWERS[1]
    assert said[-1].finish_reason == "stop"
    assert chunks[-1].usage
    assert not chunks[-1].choices
    assert chunks[-1].usage.completion_tokens
