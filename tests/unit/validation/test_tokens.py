"""Tokens: counted as tiktoken 0.14 counts them with o200k_base, which is where the numbers here come from."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.factories import an_example
from tuneloop.domain.chat.messages import ROLES, canonical
from tuneloop.validation.tokens import (
    PER_ROLE,
    PIECE_CHARACTERS,
    count_content,
    count_messages,
    count_repeated,
    count_text,
    count_texts,
)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("hello", 1),
        ("delivery", 1),
        ("My card was charged twice!", 6),
        ("You answer questions about orders in one word.", 9),
        ("Où est ma commande n° 48-2261 ?", 13),
        ('return {"refund": true, "cents": 1999}', 14),
        ("注文はまだ届いていません。", 8),
        ("  two  spaces\n\n\tand a tab", 8),
        ("👩‍🚀 waves", 6),
        ("Donaudampfschifffahrt", 8),
        ("<|endoftext|>", 7),
    ],
)
def test_a_text_has_the_tokens_that_openai_counts(text: str, tokens: int) -> None:
    assert count_text(text) == tokens


@given(st.text(max_size=50), st.text(max_size=50))
def test_a_longer_text_never_has_more_tokens_than_bytes(one: str, other: str) -> None:
    assert count_text(one + other) <= len((one + other).encode())
    assert (count_text(one) == 0) == (one == "")


def test_a_conversation_counts_roles_and_what_stands_around_messages() -> None:
    messages = an_example(
        "Where is my parcel?", "delivery", system="You answer questions about orders in one word."
    ).messages

    assert count_messages(messages) == 3 + (3 + 1 + 9) + (3 + 1 + 5) + (3 + 1 + 1)


def test_a_name_counts_itself_and_one_more() -> None:
    plain: dict[str, Any] = {"role": "user", "content": "hello"}

    assert count_messages([plain]) == 3 + 3 + 1 + 1
    assert count_messages([{**plain, "name": "Nina"}]) == count_messages([plain]) + 2 + 1
    assert count_messages([{**plain, "name": None}]) == count_messages([plain])


def test_parts_count_their_text() -> None:
    parts = [{"type": "text", "text": "hello"}, {"type": "image_url", "image_url": {"url": "https://example.org/a"}}]

    assert count_messages([{"role": "user", "content": parts[:1]}]) == count_messages(
        [{"role": "user", "content": "hello"}]
    )
    assert count_messages([{"role": "user", "content": parts}]) > 0


CALL = {"id": "c1", "type": "function", "function": {"name": "refund", "arguments": '{"order":"7"}'}}


@pytest.mark.parametrize(
    "called",
    [{"tool_calls": [CALL]}, {"function_call": CALL["function"]}, {"tool_call_id": "call_5GHd73jf8"}],
    ids=lambda called: next(iter(called)),
)
def test_what_is_called_counts_as_its_json_at_least(called: dict[str, Any]) -> None:
    plain = {"role": "assistant", "content": None}
    [value] = called.values()

    assert count_messages([plain]) == 3 + 3 + 1
    assert count_messages([{**plain, **called}]) >= count_messages([plain]) + count_text(canonical(value))


def test_the_tools_that_an_example_was_given_count_as_their_json() -> None:
    messages: list[dict[str, Any]] = [{"role": "user", "content": "hello"}]
    parameters = {"type": "object", "properties": {"order": {"type": "string", "description": "The order's number."}}}
    tools = [{"type": "function", "function": {"name": "refund", "parameters": parameters}}]

    assert count_messages(messages, tools) == count_messages(messages) + count_text(canonical(tools))
    assert count_messages(messages, []) == count_messages(messages, None) == count_messages(messages)


def test_no_messages_cost_the_frame_of_an_example() -> None:
    assert count_messages([]) == 3


@pytest.mark.parametrize(
    ("part", "times", "tokens"),
    [("a", 200_000, 25_000), ("!", 200_000, 12_500), ("Where is my order? ", 10_526, 52_631)],
)
def test_a_long_text_has_at_most_a_token_more_for_each_piece_of_it(part: str, times: int, tokens: int) -> None:
    assert tokens <= count_text(part * times) <= tokens + 4


@pytest.mark.parametrize("role", ROLES)
def test_each_role_is_one_token(role: str) -> None:
    assert count_text(role) == PER_ROLE


@given(
    st.lists(
        st.text(max_size=20) | st.sampled_from(["<|endoftext|>", "a | b", "x" * (PIECE_CHARACTERS + 5)]), max_size=5
    )
)
def test_texts_count_together_what_each_counts_alone(texts: list[str]) -> None:
    assert count_texts(texts) == sum(map(count_text, texts)) == sum(map(count_repeated, texts))


def test_a_preference_pair_counts_both_answers() -> None:
    messages = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]
    other = [{"role": "assistant", "content": "go away"}]

    pair = count_content({"messages": messages, "non_preferred_output": other})

    assert pair == count_messages(messages) + count_messages(other) - count_messages([])
