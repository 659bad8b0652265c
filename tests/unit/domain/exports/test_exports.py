"""Exports: one per revision and policy, and the prompts that their training examples speak for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.factories import NAMES, an_example, an_export
from tuneloop.domain.chat.examples import Example, Split
from tuneloop.domain.chat.messages import answer_of, canonical
from tuneloop.domain.datasets.policy import DEFAULT, Policy
from tuneloop.domain.exports.example_hashes import example_hashes
from tuneloop.domain.exports.exports import ANSWERS_HEADING, TrainAnswers, export_id
from tuneloop.domain.exports.policy_filter import MOST_CLOSED_ANSWERS

WORDS = st.text(alphabet="abc", min_size=1, max_size=3)


def answers(*said: str, system: str | None = None) -> TrainAnswers:
    counted = TrainAnswers()
    for number, answer in enumerate(said):
        count(counted, an_example(f"question {number}", answer, system=system))
    return counted


def count(answers: TrainAnswers, example: Example) -> None:
    answers.add(example_hashes(example).answer_hash, canonical(example.content).encode(), lambda: example.messages)


@given(NAMES, NAMES, st.integers(1, 10**6), st.integers(1, 10**6))
def test_the_same_revision_is_the_same_export_and_no_other(tenant: str, name: str, one: int, other: int) -> None:
    assert (export_id(tenant, name, one, DEFAULT) == export_id(tenant, name, other, DEFAULT)) == (one == other)
    assert export_id(tenant, name, one, DEFAULT) != export_id(f"{tenant}x", name, one, DEFAULT)
    assert export_id(tenant, name, one, DEFAULT) != export_id(tenant, name, one, Policy(min_quality=0.5))


def test_two_exports_don_t_share_their_counts() -> None:
    answers("refund")

    assert answers().most_frequent == ""


@given(st.lists(WORDS, min_size=1))
def test_the_commonest_answer_is_the_smallest_of_equals(said: list[str]) -> None:
    commonest = answers(*said).most_frequent

    assert said.count(commonest) == max(said.count(word) for word in said)
    assert commonest == min(word for word in said if said.count(word) == said.count(commonest))


def test_a_prompt_that_all_examples_share_is_the_version_s() -> None:
    assert answers("refund", "delivery", system="One word.").prompt == "One word."


def test_a_prompt_that_some_lack_is_nobody_s() -> None:
    mixed = answers("refund", system="One word.")
    count(mixed, an_example("another", "delivery"))

    assert mixed.prompt is None
    assert answers("refund").prompt is None


def test_the_base_model_is_told_the_answers_where_they_are_a_closed_set() -> None:
    closed = answers(*["refund", "delivery"] * 3, system="One word.")

    assert closed.base_prompt == f"One word.\n\n{ANSWERS_HEADING}\ndelivery\nrefund"
    assert answers(*["refund", "delivery"] * 3).base_prompt == f"{ANSWERS_HEADING}\ndelivery\nrefund"


@pytest.mark.parametrize(
    "said",
    [
        ["refund", "delivery", "refund"],
        [f"answer {number}" for number in range(MOST_CLOSED_ANSWERS + 1)] * 3,
        ["first line\nsecond line"] * 6,
        ["x" * 9000, "y" * 9000] * 3,
    ],
    ids=["too seldom", "too many", "several lines", "too long"],
)
def test_answers_that_are_no_closed_set_are_not_named(said: list[str]) -> None:
    assert answers(*said, system="One word.").base_prompt == "One word."
    assert answers(*said).base_prompt is None


def test_the_most_answers_that_are_named_all_are() -> None:
    prompt = answers(*[f"answer {number}" for number in range(MOST_CLOSED_ANSWERS)] * 3).base_prompt or ""

    assert prompt.count("\n") == MOST_CLOSED_ANSWERS


def test_without_training_examples_there_is_nothing_to_name() -> None:
    assert answers().base_prompt is None
    assert answers().prompt is None


def test_answers_that_only_call_tools_are_not_named_as_nothing() -> None:
    counted = TrainAnswers()
    for number in range(6):
        example = an_example(f"question {number}")
        example.messages[-1].update(content=None, tool_calls=[{"id": "c1"}])
        count(counted, example)

    assert counted.base_prompt is None


def test_an_export_says_whether_rows_were_kept_to_prove_a_version_on() -> None:
    kept = an_export()
    none = {**kept.files, Split.TEST: kept.files[Split.TEST].model_copy(update={"examples": 0})}

    assert kept.has_test
    assert not an_export(files=none).has_test


def test_tool_calls_count_as_answers_and_are_never_named_in_a_prompt() -> None:
    answers = TrainAnswers()
    call = {"function": {"name": "refund", "arguments": '{"order": 7}'}, "id": "call-1", "type": "function"}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    for number in range(6):
        content = {"messages": [{"role": "user", "content": f"Refund {number}"}, message]}
        count(answers, Example(id=str(number), content=content))

    assert answers.most_frequent == answer_of(message)
    assert answers.different == 1
    assert answers.base_prompt is None


def test_exports_of_older_versions_keep_their_ids() -> None:
    assert export_id("acme", "support", 1, DEFAULT) == "export-5be5e5b1e670306a51af51e5"
    assert export_id("acme", "support", 3, Policy(min_quality=0.5)) == "export-d6e6d66c8f5b7294badacd1c"
