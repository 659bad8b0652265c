import subprocess
import sys

import pytest
from pydantic import ValidationError

from tuneloop.openai_wire import sse
from tuneloop.openai_wire.chat import AnswerMessage, ChatCompletion, ChatRequest, Choice, CompletionUsage, chunks_of
from tuneloop.openai_wire.errors import ErrorBody, error_body, first_fault
from tuneloop.openai_wire.fine_tuning import FineTuningJob, JobRequest
from tuneloop.openai_wire.models import ModelList

ASKED = {"model": "m", "messages": [{"role": "user", "content": "hi", "odd": 1}], "logit_bias": {}, "odd": [1]}


def test_a_request_is_passed_on_as_it_came() -> None:
    assert ChatRequest.model_validate(ASKED).provider_fields() == ASKED


@pytest.mark.parametrize(
    ("fields", "key"),
    [({"user": "u"}, "u"), ({"user": "u", "safety_identifier": "s"}, "s"), ({}, None)],
)
def test_the_safety_identifier_goes_before_the_user(fields: dict[str, str], key: str | None) -> None:
    assert ChatRequest.model_validate(ASKED | fields).user_key == key


def test_an_assistant_may_be_silent_only_where_it_calls_tools() -> None:
    calling = {"role": "assistant", "content": None, "tool_calls": [{"id": "c"}]}

    ChatRequest.model_validate({"model": "m", "messages": [calling]})

    with pytest.raises(ValidationError, match="content of a message with role 'assistant' is missing"):
        ChatRequest.model_validate({"model": "m", "messages": [calling | {"tool_calls": None}]})


def test_a_refusal_stands_for_content_only_where_it_says_something() -> None:
    refusing = {"role": "assistant", "content": None, "refusal": "I can't.", "function_call": None}

    ChatRequest.model_validate({"model": "m", "messages": [refusing]})

    with pytest.raises(ValidationError, match="content of a message with role 'assistant' is missing"):
        ChatRequest.model_validate({"model": "m", "messages": [refusing | {"refusal": None}]})


def test_a_fault_names_its_field_and_never_the_value() -> None:
    with pytest.raises(ValidationError) as invalid:
        ChatRequest.model_validate(ASKED | {"messages": [{"role": "my-secret", "content": "my-secret"}]})

    message, param = first_fault(invalid.value)

    assert param == "messages.0.role"
    assert message.startswith("messages.0.role: ")
    assert "secret" not in message


def test_an_error_body_has_all_of_openais_fields() -> None:
    body = error_body("No.", code="not_allowed", request_id="r1")

    assert body == {
        "error": {
            "type": "invalid_request_error",
            "code": "not_allowed",
            "message": "No.",
            "param": None,
            "request_id": "r1",
        }
    }
    assert ErrorBody.model_validate(body).error.code == "not_allowed"


def test_a_stream_adds_up_to_the_answer() -> None:
    text = " Two  words,\nand a line.\n"
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    completion = ChatCompletion(
        id="x",
        model="m",
        choices=[Choice(message=AnswerMessage(content=text, tool_calls=[call]), finish_reason="stop")],
        usage=CompletionUsage(prompt_tokens=1, completion_tokens=2, total_tokens=3),
        tuneloop={"version": 1},
    )

    chunks = list(chunks_of(completion, include_usage=True))

    assert "".join(chunk.choices[0].delta.get("content", "") for chunk in chunks if chunk.choices) == text
    assert chunks[0].choices[0].delta["tool_calls"] == [{"index": 0, **call}]
    assert chunks[-1].usage == completion.usage
    assert all(chunk.model_extra == {"tuneloop": {"version": 1}} for chunk in chunks)
    assert sse.body(chunks).endswith("}\n\ndata: [DONE]\n\n")
    assert sse.body(chunks).count("data: {") == len(chunks)


def test_answers_are_parsed_whatever_a_provider_adds_or_leaves_out() -> None:
    job = FineTuningJob.model_validate({"id": "j", "status": "warming_up", "shiny": True})
    models = ModelList.model_validate({"object": "list", "data": [{"id": "m", "shutdown_date": "2027-01-14"}]})

    assert (job.status, job.model_extra) == ("warming_up", {"shiny": True})
    assert models.data[0].shutdown_date == "2027-01-14"


def test_hyperparameters_are_found_in_both_spellings() -> None:
    new = {"method": {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 3}}}}
    old = {"hyperparameters": {"n_epochs": 3}}

    for spelling in (new, old):
        request = JobRequest.model_validate({"model": "m", "training_file": "f"} | spelling)
        assert (request.supervised.n_epochs, request.supervised.batch_size) == (3, "auto")


def test_the_chat_shapes_import_nothing_but_pydantic() -> None:
    code = "import sys, tuneloop.openai_wire.chat, tuneloop.openai_wire.errors; print(*sys.modules)"

    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()

    assert not {"openai", "boto3", "numpy", "fastapi", "orjson"} & set(loaded)
    assert "tuneloop.openai_wire.fine_tuning" not in loaded
