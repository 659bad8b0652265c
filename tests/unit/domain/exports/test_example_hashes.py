"""Hashes of examples: the same question has one prompt, however it is written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.factories import an_example
from tuneloop.domain.chat.examples import Example, read_example
from tuneloop.domain.exports.example_hashes import folded_prompt

IN_PARTS = [
    {"role": "user", "content": [{"type": "text", "text": "Where is"}, {"type": "text", "text": "it?"}]},
    {"role": "assistant", "content": "delivery"},
]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (an_example("Where is it?", "delivery"), an_example("Where is it?", "refund")),
        (an_example("Where is it?"), an_example("  where IS\n it?\t")),
        (an_example("Where is it?"), an_example("Where is it?", system="One word.")),
        (an_example("STRASSE"), an_example("straße")),
        (an_example("Where is it?"), read_example({"messages": IN_PARTS}, 1)),
    ],
    ids=["answer", "case and space", "system", "folded", "parts"],
)
def test_the_same_question_is_the_same_unit(one: Example, other: Example) -> None:
    assert folded_prompt(one) == folded_prompt(other)


@given(
    st.lists(st.sampled_from("abc"), min_size=1, max_size=3), st.lists(st.sampled_from("abc"), min_size=1, max_size=3)
)
def test_another_question_is_another_unit(one: list[str], other: list[str]) -> None:
    assert (folded_prompt(an_example(" ".join(one))) == folded_prompt(an_example(" ".join(other)))) == (one == other)


def test_what_was_said_before_belongs_to_the_question() -> None:
    def asked(*before: dict[str, str]) -> Example:
        last = [{"role": "user", "content": "And now?"}, {"role": "assistant", "content": "refund"}]
        found = read_example({"messages": [*before, *last]}, 1)
        assert isinstance(found, Example)
        return found

    turns = [{"role": "user", "content": "My card?"}, {"role": "assistant", "content": "On its way."}]

    assert len({folded_prompt(asked()), folded_prompt(asked(*turns)), folded_prompt(asked(turns[0]))}) == 3


def test_another_picture_is_another_question() -> None:
    def shown(url: str) -> Example:
        parts = [{"type": "text", "text": "Which card?"}, {"type": "image_url", "image_url": {"url": url}}]
        found = read_example(
            {"messages": [{"role": "user", "content": parts}, {"role": "assistant", "content": "a"}]}, 1
        )
        assert isinstance(found, Example)
        return found

    assert folded_prompt(shown("https://example.org/1.png")) != folded_prompt(shown("https://example.org/2.png"))
    assert folded_prompt(shown("https://example.org/1.png")) == folded_prompt(shown("https://example.org/1.png"))
