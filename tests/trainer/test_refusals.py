from typing import Any

import pytest
from openai import BadRequestError, NotFoundError, OpenAI

from tests.trainer.trainer_process import BASE, ended, intents, jsonl, line, supervised, upload

GOOD = intents(10)
USER, ASSISTANT = {"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"}


def with_messages(*messages: dict[str, Any]) -> dict[str, Any]:
    return {"messages": list(messages)}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (jsonl(GOOD[:3]), "has 3 examples, but must have at least 10"),
        (jsonl(GOOD) + b'{"messages": [\n', "Line 11 is not valid JSON"),
        (jsonl(GOOD) + b"\xff\xfe\n", "Line 11 is not valid JSON"),
        (jsonl([*GOOD[:4], ["a list"]]), "Line 5 is not a JSON object"),
        (jsonl([*GOOD, {"prompt": "a", "completion": "b"}]), "Line 11 has no list of 'messages'"),
        (jsonl([*GOOD, with_messages(USER)]), "Line 11 has no assistant message"),
        (jsonl([*GOOD, with_messages(ASSISTANT, USER)]), "Line 11 does not end with an assistant message"),
        (jsonl([*GOOD, with_messages(USER | {"role": "narrator"}, ASSISTANT)]), "message 1 whose role is not one of"),
        (jsonl([*GOOD, with_messages(USER | {"weight": 1}, ASSISTANT)]), "message 1 with a weight"),
        (jsonl([*GOOD, with_messages(USER, ASSISTANT | {"weight": 2})]), "message 2 whose weight is neither 0 nor 1"),
        (jsonl([*GOOD, with_messages(USER, ASSISTANT | {"weight": 0})]), "no assistant message with weight 1"),
        (jsonl([*GOOD, with_messages(USER, ASSISTANT | {"content": None})]), "message 2 without content"),
        (jsonl([*GOOD, with_messages(USER | {"content": 7}, ASSISTANT)]), "content is neither text nor"),
        (
            jsonl([*GOOD, with_messages(USER, {"role": "tool", "content": "x", "tool_call_id": "c"}, ASSISTANT)]),
            "message 2 whose tool_call_id answers no call",
        ),
    ],
)
def test_a_bad_training_file_fails_the_job_and_names_the_line(client: OpenAI, content: bytes, said: str) -> None:
    job = client.fine_tuning.jobs.create(model=BASE, training_file=upload(client, content))

    failed = ended(client, job.id)

    assert job.status == "validating_files"
    assert failed.status == "failed"
    assert failed.error
    assert (failed.error.code, failed.error.param) == ("invalid_training_file", "training_file")
    assert said in failed.error.message
    assert failed.fine_tuned_model is None
    newest = client.fine_tuning.jobs.list_events(job.id).data[0]
    assert newest.level == "error"


def test_a_bad_validation_file_fails_the_job_too(client: OpenAI) -> None:
    job = client.fine_tuning.jobs.create(
        model=BASE, training_file=upload(client, GOOD), validation_file=upload(client, [with_messages(USER)])
    )

    failed = ended(client, job.id)

    assert failed.error
    assert (failed.error.code, failed.error.param) == ("invalid_validation_file", "validation_file")


def test_a_fault_never_repeats_what_the_line_holds(client: OpenAI) -> None:
    secret = with_messages({"role": "my-secret", "content": "my-secret"}, ASSISTANT)

    failed = ended(client, client.fine_tuning.jobs.create(model=BASE, training_file=upload(client, [*GOOD, secret])).id)

    assert "secret" not in failed.model_dump_json()


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"model": "gpt-none"}, "model"),
        ({"training_file": "file-none"}, "training_file"),
        ({"validation_file": "file-none"}, "validation_file"),
        ({"suffix": "x" * 65}, "suffix"),
        ({"suffix": ""}, "suffix"),
        ({"seed": -1}, "seed"),
        ({"method": supervised(n_epochs=51)}, "method.supervised.hyperparameters.n_epochs"),
        ({"method": supervised(n_epochs=0)}, "method.supervised.hyperparameters.n_epochs"),
        ({"method": supervised(batch_size=257)}, "method.supervised.hyperparameters.batch_size"),
        (
            {"method": supervised(learning_rate_multiplier=0)},
            "method.supervised.hyperparameters.learning_rate_multiplier",
        ),
        ({"hyperparameters": {"n_epochs": "many"}}, "hyperparameters.n_epochs"),
        ({"method": {"type": "reinforcement"}}, "method.type"),
        (
            {"method": {"type": "dpo", "dpo": {"hyperparameters": {"beta": 2.5}}}},
            "method.dpo.hyperparameters.beta",
        ),
        ({"method": {"type": "magic"}}, "method.type"),
        ({"metadata": {str(number): "" for number in range(17)}}, "metadata"),
        ({"metadata": {"k": "v" * 513}}, "metadata.k"),
        ({"integrations": [{"type": "wandb", "wandb": {"project": "p"}}]}, "integrations"),
    ],
)
def test_a_bad_request_is_refused_at_once(client: OpenAI, change: dict[str, Any], param: str) -> None:
    request: dict[str, Any] = {"model": BASE, "training_file": upload(client, GOOD)} | change
    before = len(client.fine_tuning.jobs.list(limit=1000).data)

    with pytest.raises(BadRequestError) as refused:
        client.fine_tuning.jobs.create(**request)

    assert refused.value.param == param
    assert refused.value.type == "invalid_request_error"
    assert len(client.fine_tuning.jobs.list(limit=1000).data) == before


def test_a_result_file_cannot_be_trained_on(client: OpenAI, tuned: Any) -> None:
    with pytest.raises(BadRequestError, match="has purpose 'fine-tune-results'"):
        client.fine_tuning.jobs.create(model=BASE, training_file=tuned.result_files[0])


def test_a_file_deleted_before_training_fails_the_job(client: OpenAI) -> None:
    blocker = client.fine_tuning.jobs.create(
        model=BASE, training_file=upload(client, intents(2_000)), method=supervised(n_epochs=50, batch_size=4)
    )
    training_file = upload(client, GOOD)
    job = client.fine_tuning.jobs.create(model=BASE, training_file=training_file)

    client.files.delete(training_file)
    client.fine_tuning.jobs.cancel(blocker.id)
    failed = ended(client, job.id)

    assert failed.status == "failed"
    assert failed.error
    assert "no longer exists" in failed.error.message


def test_an_unknown_url_is_answered_in_openais_shape(client: OpenAI) -> None:
    with pytest.raises(NotFoundError) as refused:
        client.post("/nothing", cast_to=object)

    body: Any = refused.value.body
    assert body.keys() == {"type", "code", "message", "param", "request_id"}
    assert body["request_id"] == refused.value.request_id


def test_lines_may_carry_tools_names_and_parts(client: OpenAI) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "look_up", "arguments": "{}"}}
    rich = with_messages(
        {"role": "developer", "content": "Be kind."},
        {"role": "user", "content": [{"type": "text", "text": "Where is it?"}], "name": "ann"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "in the van"},
        {"role": "assistant", "content": "It is in the van.", "weight": 1},
    )

    job = client.fine_tuning.jobs.create(model=BASE, training_file=upload(client, [rich, *[line("q", "a")] * 10]))

    assert ended(client, job.id).status == "succeeded"
