"""Streams of a real server: what comes is given at once, and what breaks off is told apart from what has ended."""

import json
from time import monotonic
from typing import Any

import pytest

from tests.unit.providers.server import Play, Server
from tuneloop.domain.core.errors import ProviderUnavailable
from tuneloop.openai_wire.chat import AnswerMessage, ChatChunk, ChatCompletion, Choice, CompletionUsage, chunks_of
from tuneloop.providers.openai import deadlines
from tuneloop.providers.openai.adapter import OpenAICompatible as Provider

SAID = "the purple heron dances at noon"
QUESTION: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": SAID}]}
USAGE = CompletionUsage(prompt_tokens=7, completion_tokens=3, total_tokens=10)
ANSWER = ChatCompletion(
    id="c-1",
    model="m",
    choices=[Choice(message=AnswerMessage(content="on its way"), finish_reason="stop")],
    usage=USAGE,
)
CHUNKS = [chunk.model_dump(exclude_none=True) for chunk in chunks_of(ANSWER, include_usage=True)]
TEXT = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in CHUNKS)


def play(text: str, **more: Any) -> Play:
    """A stream of events."""
    return Play(text.encode(), kind="text/event-stream", **more)


def test_a_stream_is_given_piece_by_piece_with_its_usage_last(server: Server, provider: Provider) -> None:
    server.plays_next(play(TEXT + "data: [DONE]\n\n"))

    chunks = list(provider.stream(QUESTION, 5))

    said = [choice.delta.get("content") for chunk in chunks for choice in chunk.choices]
    assert "".join(filter(None, said)) == "on its way"
    assert (chunks[-1].choices, chunks[-1].usage) == ([], USAGE)
    assert server.asked[0].json["stream_options"] == {"include_usage": True}


def test_a_piece_that_ends_within_a_character_can_be_sent_on(server: Server, provider: Provider) -> None:
    cut = {**CHUNKS[0], "choices": [{"index": 0, "delta": {"content": "cut \ud83d"}}]}
    server.plays_next(play(f"data: {json.dumps(cut)}\n\n" + TEXT + "data: [DONE]\n\n"))

    first = next(iter(provider.stream(QUESTION, 5)))

    assert first.choices[0].delta["content"] == "cut \ufffd"
    assert first.model_dump_json()


@pytest.mark.parametrize("pieces", [0, 1, 3])
def test_a_stream_that_breaks_off_is_unavailable_after_what_came(
    pieces: int, server: Server, provider: Provider
) -> None:
    text = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in CHUNKS[:pieces])
    server.plays_next(play(text))

    came: list[ChatChunk] = []
    with pytest.raises(ProviderUnavailable, match="broke its answer off") as told:
        came.extend(provider.stream(QUESTION, 5))

    assert told.value.code == "provider_broke_off"
    assert [chunk.id for chunk in came] in ([], ["c-1"] * pieces)


def test_a_stream_says_in_our_words_that_something_went_wrong(server: Server, provider: Provider) -> None:
    wrong = {"error": {"message": f"Wrong: {SAID}", "code": "server_error"}}
    server.plays_next(play(f"data: {json.dumps(CHUNKS[0])}\n\ndata: {json.dumps(wrong)}\n\n"))
    stream = provider.stream(QUESTION, 5)
    assert next(stream).id == "c-1"

    with pytest.raises(ProviderUnavailable) as told:
        next(stream)

    assert SAID not in told.value.message


@pytest.mark.parametrize("nonsense", ["{", "[]", '{"choices": 5}', "null"])
def test_a_piece_that_makes_no_sense_ends_the_stream(nonsense: str, server: Server, provider: Provider) -> None:
    server.plays_next(play(f"data: {json.dumps(CHUNKS[0])}\n\ndata: {nonsense}\n\n"))

    with pytest.raises(ProviderUnavailable):
        list(provider.stream(QUESTION, 5))


def test_a_stream_that_drips_ends_with_its_time(server: Server, provider: Provider) -> None:
    server.plays_next(play(TEXT, drips="body"))
    started = monotonic()

    with pytest.raises(ProviderUnavailable):
        list(provider.stream(QUESTION, 0.3))

    assert monotonic() - started < 2


def test_a_refusal_comes_before_the_first_piece(server: Server, provider: Provider) -> None:
    server.plays_next({"error": {"code": "overloaded"}}, status=503)

    with pytest.raises(ProviderUnavailable, match="503 overloaded"):
        next(provider.stream(QUESTION, 5))


def test_a_stream_counts_its_time_only_while_it_is_asked(server: Server, provider: Provider) -> None:
    server.plays_next(play(TEXT + "data: [DONE]\n\n"))
    first, second = provider.stream(QUESTION, 5), provider.stream(QUESTION, 5)

    assert (next(first).id, next(second).id) == ("c-1", "c-1")
    assert deadlines._ends.get() is None
    assert list(first)[-1].usage == list(second)[-1].usage == USAGE
