"""Chats on Bedrock: what is asked in OpenAI's shape is asked of Converse, and comes back as OpenAI writes it."""

import base64
import json
from typing import Any

import pytest

from tuneloop.domain.core.errors import ProviderRefused
from tuneloop.providers.bedrock.chat import allows_parallel_calls, chunks_of, completion_of, converse_request

ASKED = {"role": "user", "content": "Where is it?"}
TOOL = {"type": "function", "function": {"name": "find", "parameters": {"type": "object"}, "description": "Looks."}}
CALL = {"id": "call-1", "type": "function", "function": {"name": "find", "arguments": '{"id": 7}'}}
USED = {"inputTokens": 5, "outputTokens": 2, "totalTokens": 7}
TOLD = {"RequestId": "r-1", "HTTPHeaders": {"date": "Sat, 21 Nov 2026 10:00:00 GMT"}}


def asked(*messages: dict[str, Any], **more: Any) -> dict[str, Any]:
    return converse_request({"model": "amazon.nova-micro-v1:0:128k", "messages": list(messages or [ASKED]), **more})


def test_a_question_is_asked_of_the_id_that_calls_name() -> None:
    assert asked({"role": "system", "content": "Be kind."}, {"role": "developer", "content": "Be brief."}, ASKED) == {
        "modelId": "amazon.nova-micro-v1:0",
        "system": [{"text": "Be kind."}, {"text": "Be brief."}],
        "messages": [{"role": "user", "content": [{"text": "Where is it?"}]}],
    }


def test_limits_are_translated_and_what_describes_a_call_is_left_out() -> None:
    request = asked(
        ASKED, temperature=0.5, top_p=0.9, max_completion_tokens=9, max_tokens=4, stop="END", user="ann", seed=7
    )

    config = {"temperature": 0.5, "topP": 0.9, "maxTokens": 9, "stopSequences": ["END"]}
    assert request["inferenceConfig"] == config
    assert request.keys() == {"modelId", "messages", "inferenceConfig"}


def test_tools_their_calls_and_results_stand_in_turns() -> None:
    answered = {"role": "tool", "tool_call_id": "call-1", "content": "In the van."}
    thanks = {"role": "user", "content": "Thanks. And now?"}

    request = asked(
        ASKED,
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        answered,
        thanks,
        tools=[TOOL],
        tool_choice="required",
    )

    use = {"toolUse": {"toolUseId": "call-1", "name": "find", "input": {"id": 7}}}
    result = {"toolResult": {"toolUseId": "call-1", "content": [{"text": "In the van."}]}}
    assert request["messages"][1:] == [
        {"role": "assistant", "content": [use]},
        {"role": "user", "content": [result, {"text": "Thanks. And now?"}]},
    ]
    spec = {"name": "find", "description": "Looks.", "inputSchema": {"json": {"type": "object"}}}
    assert request["toolConfig"] == {"tools": [{"toolSpec": spec}], "toolChoice": {"any": {}}}


def test_one_tool_can_be_asked_for_and_none() -> None:
    named = {"type": "function", "function": {"name": "find"}}

    assert asked(tools=[TOOL], tool_choice=named)["toolConfig"]["toolChoice"] == {"tool": {"name": "find"}}
    assert "toolChoice" not in asked(tools=[TOOL], tool_choice="auto")["toolConfig"]
    assert "toolConfig" not in asked(tools=[TOOL], tool_choice="none")


def test_an_image_travels_as_its_bytes() -> None:
    url = f"data:image/png;base64,{base64.b64encode(b'picture').decode()}"
    parts = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": url}}]

    content = asked({"role": "user", "content": parts})["messages"][0]["content"]

    assert content == [{"text": "What is it?"}, {"image": {"format": "png", "source": {"bytes": b"picture"}}}]


def test_a_schema_of_the_answer_travels() -> None:
    schema = {"type": "object"}
    wanted = {"type": "json_schema", "json_schema": {"name": "intent", "schema": schema, "strict": True}}

    output = asked(response_format=wanted)["outputConfig"]["textFormat"]

    assert output["type"] == "json_schema"
    assert output["structure"]["jsonSchema"]["name"] == "intent"
    assert json.loads(output["structure"]["jsonSchema"]["schema"]) == schema
    assert "outputConfig" not in asked(response_format={"type": "text"})


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"temperature": 1.5}, "temperature"),
        ({"logprobs": True}, "logprobs"),
        ({"presence_penalty": 0.5}, "presence_penalty"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"tools": [{"type": "web_search"}]}, "tools"),
        ({"tools": [TOOL], "tool_choice": {"type": "allowed_tools"}}, "tool_choice"),
        ({"messages": [{"role": "function", "name": "find", "content": "x"}]}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "messages"),
        *(
            ({"messages": [{"role": "assistant", "tool_calls": [{"function": {"arguments": arguments}}]}]}, "messages")
            for arguments in ("{", "[1]", "[" * 900 + "]" * 900, "[" * 9_000, '{"a":NaN}', {"id": 7})
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x.y"}}]}]},
            "messages",
        ),
    ],
)
def test_what_changes_the_answer_without_a_counterpart_is_refused_by_name(more: dict[str, Any], param: str) -> None:
    with pytest.raises(ProviderRefused) as refused:
        converse_request({"model": "m", "messages": [ASKED], **more})

    assert refused.value.param == param


def test_what_is_off_asks_for_nothing() -> None:
    assert "modelId" in asked(logprobs=False, presence_penalty=0, logit_bias={}, reasoning_effort=None)


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("tool_use", "tool_calls"),
        ("guardrail_intervened", "content_filter"),
    ],
)
def test_an_answer_comes_back_in_openai_s_shape(reason: str, told: str) -> None:
    message = {"role": "assistant", "content": [{"text": "On its "}, {"text": "way."}]}
    answer = {"output": {"message": message}, "stopReason": reason, "usage": USED, "ResponseMetadata": TOLD}

    completion = completion_of(answer, "m")

    assert completion.model_dump(exclude_none=True) == {
        "id": "chatcmpl-r-1",
        "object": "chat.completion",
        "created": 1795255200,
        "model": "m",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "On its way."}, "finish_reason": told},
        ],
        "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
    }


def test_calls_of_tools_come_back_as_calls() -> None:
    use = {"toolUse": {"toolUseId": "call-1", "name": "find", "input": {"id": 7}}}
    answer = {"output": {"message": {"role": "assistant", "content": [use]}}, "stopReason": "tool_use"}

    message = completion_of(answer, "m").choices[0].message

    function = {"name": "find", "arguments": '{"id":7}'}
    assert message.content is None
    assert (message.model_extra or {})["tool_calls"] == [{"id": "call-1", "type": "function", "function": function}]


def test_without_parallel_calls_the_first_call_is_passed_on_alone() -> None:
    uses = [{"toolUseId": f"call-{number}", "name": "find", "input": {"id": number}} for number in (1, 2)]
    message = {"role": "assistant", "content": [{"toolUse": use} for use in uses]}
    whole = {"output": {"message": message}, "stopReason": "tool_use"}
    events: list[dict[str, Any]] = []
    for index, use in enumerate(uses):
        events.append({"contentBlockStart": {"start": {"toolUse": use}, "contentBlockIndex": index}})
        events.append({"contentBlockDelta": {"delta": {"toolUse": {"input": "{}"}}, "contentBlockIndex": index}})
    one = {"parallel_tool_calls": False}

    for request, expected in ((one, ["call-1"]), ({}, ["call-1", "call-2"])):
        parallel_calls = allows_parallel_calls(request)
        answered = completion_of(whole, "m", parallel_calls=parallel_calls).choices[0].message.model_extra or {}
        deltas = [chunk.choices[0].delta for chunk in chunks_of({"stream": events}, "m", parallel_calls=parallel_calls)]
        streamed = [call for delta in deltas for call in delta["tool_calls"]]

        assert [call["id"] for call in answered["tool_calls"]] == expected
        assert [call["id"] for call in streamed if "id" in call] == expected
        assert len(streamed) == 2 * len(expected)


def test_half_a_character_is_replaced_in_whole_and_streamed_answers() -> None:
    use = {"toolUse": {"toolUseId": "call-1", "name": "find", "input": {"of": "cut \udc00"}}}
    message = {"role": "assistant", "content": [{"text": "cut \ud83d"}, use]}
    event = {"contentBlockDelta": {"delta": {"text": "cut \ud83d"}, "contentBlockIndex": 0}}

    whole = completion_of({"output": {"message": message}, "stopReason": "end_turn"}, "m").choices[0].message
    [piece] = chunks_of({"stream": [event]}, "m")

    assert (whole.content, piece.choices[0].delta) == ("cut \ufffd", {"content": "cut \ufffd"})
    assert (whole.model_extra or {})["tool_calls"][0]["function"]["arguments"] == '{"of":"cut \ufffd"}'
    assert "cut" in whole.model_dump_json()
    assert "cut" in piece.model_dump_json()


def test_a_stream_s_events_are_chunks() -> None:
    use = {"toolUseId": "call-1", "name": "find"}
    events: list[dict[str, Any]] = [
        {"messageStart": {"role": "assistant"}},
        {"contentBlockDelta": {"delta": {"text": "Let me see."}, "contentBlockIndex": 0}},
        {"contentBlockStop": {"contentBlockIndex": 0}},
        {"contentBlockStart": {"start": {"toolUse": use}, "contentBlockIndex": 1}},
        {"contentBlockDelta": {"delta": {"toolUse": {"input": '{"id":7}'}}, "contentBlockIndex": 1}},
        {"contentBlockDelta": {"delta": {"reasoningContent": {"text": "hm"}}, "contentBlockIndex": 2}},
        {"messageStop": {"stopReason": "tool_use"}},
        {"metadata": {"usage": USED}},
    ]

    chunks = list(chunks_of({"stream": events, "ResponseMetadata": TOLD}, "m"))

    assert [chunk.choices[0].delta for chunk in chunks[:-2]] == [
        {"role": "assistant", "content": ""},
        {"content": "Let me see."},
        {
            "tool_calls": [
                {"index": 0, "id": "call-1", "type": "function", "function": {"name": "find", "arguments": ""}}
            ]
        },
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"id":7}'}}]},
    ]
    assert chunks[-2].choices[0].finish_reason == "tool_calls"
    assert chunks[-1].choices == []
    assert chunks[-1].usage
    assert {chunk.id for chunk in chunks} == {"chatcmpl-r-1"}
