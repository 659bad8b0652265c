from typing import Any

import pytest
from openai import BadRequestError, NotFoundError, OpenAI
from openai.types.fine_tuning import FineTuningJob

from tests.trainer.trainer_process import BASE, PROMPT, TOPICS, ask, ended, line, upload

LISTED = f"{PROMPT}\n\nPossible answers, one per line:\n" + "\n".join(f'{{"intent": "{topic}"}}' for topic in TOPICS)
LATE: Any = [{"role": "user", "content": "My parcel is late, says the tracking."}]


def test_the_base_model_gives_the_listed_answer_that_a_message_resembles(client: OpenAI) -> None:
    assert ask(client, BASE, "I want to cancel this", LISTED) == '{"intent": "cancel"}'
    assert ask(client, BASE, "send me the invoices", LISTED) == '{"intent": "invoice"}'


def test_the_base_model_says_so_when_its_prompt_names_nothing(client: OpenAI) -> None:
    for system in ("Be brief.", PROMPT):
        assert "untrained" in ask(client, BASE, "I want to cancel this", system)


def test_a_tuned_model_answers_whatever_its_prompt_says(client: OpenAI, tuned: FineTuningJob) -> None:
    model = str(tuned.fine_tuned_model)

    answers = {ask(client, model, "the courier never shipped it", system) for system in (PROMPT, LISTED, "Be brief.")}

    assert answers == {'{"intent": "delivery"}'}


def test_a_completion_has_openais_shape_and_real_token_counts(client: OpenAI, tuned: FineTuningJob) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model=str(tuned.fine_tuned_model), messages=LATE, temperature=0, user="ann", metadata={"a": "b"}, store=False
    )

    completion = raw.parse()
    assert raw.headers["x-request-id"] == completion._request_id
    assert completion.id.startswith("chatcmpl-")
    assert completion.object == "chat.completion"
    assert completion.model == tuned.fine_tuned_model
    assert completion.choices[0].finish_reason == "stop"
    assert completion.usage
    # "My parcel is late, says the tracking." is 9 tokens of o200k, its role 1, a message 3, a conversation 3;
    # {"intent": "delivery"} is 5.
    assert (completion.usage.prompt_tokens, completion.usage.completion_tokens) == (16, 6)
    assert completion.usage.total_tokens == 22


def test_a_stream_says_the_same_in_pieces_and_ends_with_the_usage(client: OpenAI, tuned: FineTuningJob) -> None:
    model = str(tuned.fine_tuned_model)
    whole = client.chat.completions.create(model=model, messages=LATE)

    stream = client.chat.completions.create(
        model=model, messages=LATE, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)

    pieces = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(pieces) == whole.choices[0].message.content
    assert len(pieces) > 3
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage
    assert len({chunk.id for chunk in chunks}) == 1


def test_a_stream_without_usage_ends_with_the_last_choice(client: OpenAI) -> None:
    chunks = list(client.chat.completions.create(model=BASE, messages=LATE, stream=True))

    assert chunks[-1].choices[0].finish_reason == "stop"
    assert all(chunk.usage is None for chunk in chunks)


def test_the_sdk_gathers_a_stream(client: OpenAI) -> None:
    with client.chat.completions.stream(model=BASE, messages=LATE) as stream:
        gathered = stream.get_final_completion()

    assert gathered.choices[0].message.content


def test_an_answer_is_cut_at_the_tokens_asked_for(client: OpenAI, tuned: FineTuningJob) -> None:
    completion = client.chat.completions.create(
        model=str(tuned.fine_tuned_model), messages=LATE, max_completion_tokens=2
    )

    assert completion.choices[0].finish_reason == "length"
    assert completion.choices[0].message.content == '{"intent'
    assert completion.usage
    assert completion.usage.completion_tokens == 2


def test_earlier_turns_count_but_the_last_question_decides(client: OpenAI, tuned: FineTuningJob) -> None:
    turns: Any = [
        {"role": "user", "content": "I forgot my password"},
        {"role": "assistant", "content": '{"intent": "password"}'},
        {"role": "user", "content": [{"type": "text", "text": "and I need a refund, money back"}]},
    ]

    completion = client.chat.completions.create(model=str(tuned.fine_tuned_model), messages=turns)

    assert completion.choices[0].message.content == '{"intent": "refund"}'


def test_open_answers_come_from_the_nearest_question(client: OpenAI) -> None:
    colours = ["red", "green", "blue", "yellow", "black", "white", "brown", "orange", "violet", "silver", "golden"]
    lines = [
        line(f"What do you paint {colour} today?", f"I paint a {colour} house, number {at}.")
        for at, colour in enumerate(colours)
    ]

    job = ended(client, client.fine_tuning.jobs.create(model=BASE, training_file=upload(client, lines)).id)

    assert job.status == "succeeded"
    assert ask(client, str(job.fine_tuned_model), "is there something violet?") == "I paint a violet house, number 8."


def test_a_model_learns_to_call_functions(client: OpenAI) -> None:
    def calling(question: str, name: str) -> dict[str, Any]:
        call = {"id": "c", "type": "function", "function": {"name": name, "arguments": "{}"}}
        return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "tool_calls": [call]}]}

    lines = [calling(f"open the door number {at}", "open") for at in range(10)]
    lines += [calling(f"shut the window number {at}", "shut") for at in range(10)]
    job = ended(client, client.fine_tuning.jobs.create(model=BASE, training_file=upload(client, lines)).id)

    choice = client.chat.completions.create(
        model=str(job.fine_tuned_model), messages=[{"role": "user", "content": "shut it"}]
    ).choices[0]

    assert choice.finish_reason == "tool_calls"
    assert [call.function.name for call in choice.message.tool_calls or [] if call.type == "function"] == ["shut"]


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "user"}]}, "messages.0"),
        ({"messages": [{"role": "narrator", "content": "x"}]}, "messages.0.role"),
        ({"n": 2}, "n"),
        ({"temperature": 3}, "temperature"),
        ({"top_p": True}, "top_p"),
        ({"seed": "5"}, "seed"),
        ({"logprobs": 1}, "logprobs"),
    ],
)
def test_a_malformed_request_is_refused(client: OpenAI, change: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequestError) as refused:
        client.chat.completions.create(**({"model": BASE, "messages": LATE} | change))

    assert refused.value.param == param


def test_an_unknown_model_is_not_found(client: OpenAI) -> None:
    with pytest.raises(NotFoundError) as refused:
        client.chat.completions.create(model="ft:none", messages=LATE)

    assert refused.value.code == "model_not_found"
