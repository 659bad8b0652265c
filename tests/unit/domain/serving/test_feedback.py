"""What can be learnt from feedback: whole and partial corrections, confirmations, and what teaches nothing."""

from typing import Any

import pytest
from pydantic import ValidationError

from tuneloop.domain.chat.examples import Example, read_example
from tuneloop.domain.core.errors import InvalidInput
from tuneloop.domain.serving.feedback import Feedback, NoExampleReason, extract_rows

ASKED = [{"role": "user", "content": "Which card is this?"}]
DAY = "2026-11-21"
CARD = '{"player": "Michael Jordan", "year": "1985-86"}'


def feedback(**said: Any) -> Feedback:
    return Feedback.model_validate({"inference_id": "chatcmpl-x", **said})


def answers(said: Feedback) -> list[str]:
    rows = extract_rows(said, "user-1", DAY).rows
    return [row["messages"][-1]["content"] for row in rows if "messages" in row]


def test_a_correction_makes_an_example_and_a_preference_over_what_was_said() -> None:
    said = feedback(correction="cancel_order", answer="refund_status", messages=ASKED, category="orders")

    supervised, pair = extract_rows(said, "user-1", DAY).rows

    assert supervised["messages"] == [*ASKED, {"role": "assistant", "content": "cancel_order"}]
    assert (supervised["source"], supervised["subject"], supervised["category"]) == ("correction", "user-1", "orders")
    assert supervised["created_at"] == pair["created_at"] == "2026-11-21T00:00:00Z"
    assert pair["input"] == {"messages": ASKED}
    assert pair["preferred_output"] == [{"role": "assistant", "content": "cancel_order"}]
    assert pair["non_preferred_output"] == [{"role": "assistant", "content": "refund_status"}]
    assert all(isinstance(read_example(row, 1), Example) for row in (supervised, pair))


DUMP: dict[str, Any] = {"role": "assistant", "refusal": None, "annotations": [], "tool_calls": None}


def test_messages_as_a_client_gives_them_stand_for_their_texts() -> None:
    said = feedback(correction={**DUMP, "content": "cancel"}, answer={**DUMP, "content": "refund"}, messages=ASKED)

    assert (said.correction, said.answer) == ("cancel", "refund")
    assert answers(said) == ["cancel"]


@pytest.mark.parametrize(
    "message",
    [
        {**DUMP, "content": None},
        {**DUMP, "content": "x", "refusal": "I can't."},
        {**DUMP, "content": [{"type": "text", "text": "x"}]},
        {**DUMP, "content": "x", "tool_calls": [{"id": "c1"}]},
        {**DUMP, "content": "x", "weight": 0},
        {**DUMP, "content": ""},
    ],
)
@pytest.mark.parametrize("field", ["correction", "answer"])
def test_a_message_that_says_no_text_alone_is_no_answer(field: str, message: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        feedback(**{"rating": 5, field: message}, messages=ASKED)


@pytest.mark.parametrize("card", [{"role": "assistant"}, {"role": "user", "content": "x"}, {"content": "x"}])
def test_an_object_that_is_no_message_is_a_correction_as_json(card: dict[str, Any]) -> None:
    assert feedback(correction=card, messages=ASKED).correction == card


def test_a_correction_without_the_given_answer_makes_no_preference() -> None:
    assert len(extract_rows(feedback(correction="cancel_order", messages=ASKED), None, DAY).rows) == 1


def test_a_partial_correction_keeps_the_answer_s_order_and_spacing() -> None:
    said = {"correction": {"year": "1986-87"}, "correction_fields": ["year"], "messages": ASKED}

    assert answers(feedback(answer=CARD, **said)) == ['{"player": "Michael Jordan", "year": "1986-87"}']
    assert answers(feedback(answer=CARD.replace(": ", ":").replace(", ", ","), **said)) == [
        '{"player":"Michael Jordan","year":"1986-87"}'
    ]


def test_an_object_without_named_fields_is_the_whole_answer() -> None:
    said = feedback(correction={"year": "1986-87"}, answer=CARD, messages=ASKED)

    assert answers(said) == ['{"year": "1986-87"}']


@pytest.mark.parametrize("answer", [None, "not JSON", "[1]"])
def test_a_partial_correction_needs_an_object_to_correct(answer: str | None) -> None:
    said = feedback(correction={"year": "1986-87"}, correction_fields=["year"], answer=answer, messages=ASKED)

    with pytest.raises(InvalidInput, match="answer") as refusal:
        extract_rows(said, None, DAY)

    assert refusal.value.param == "answer"


def test_a_field_that_the_correction_lacks_is_named_as_wrong() -> None:
    with pytest.raises(InvalidInput, match="'month'"):
        extract_rows(
            feedback(correction={"year": "1"}, correction_fields=["month"], answer=CARD, messages=ASKED), None, DAY
        )


@pytest.mark.parametrize(
    ("correction", "answer"),
    [
        ("Cancel  Order\n", "cancel order"),
        ({"year": "1985-86", "player": "michael jordan"}, CARD),
        ('{"year":"1985-86","player":"Michael Jordan"}', CARD),
    ],
)
def test_letter_case_white_space_and_the_order_of_fields_teach_nothing(correction: Any, answer: str) -> None:
    lesson = extract_rows(feedback(correction=correction, answer=answer, messages=ASKED), None, DAY)

    assert (lesson.rows, lesson.why) == ([], NoExampleReason.SAME_ANSWER)


def test_a_confirmation_makes_the_answer_an_example() -> None:
    said = feedback(correct=True, answer="refund_status", messages=ASKED)

    [row] = extract_rows(said, "user-1", DAY).rows

    assert (row["messages"][-1]["content"], row["source"]) == ("refund_status", "confirmation")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"rating": 5}, NoExampleReason.ONLY_RATED),
        ({"correct": True, "messages": ASKED}, NoExampleReason.NO_ANSWER),
        ({"correct": True, "answer": "yes"}, NoExampleReason.NO_PROMPT),
        ({"correction": "no", "answer": "yes"}, NoExampleReason.NO_PROMPT),
    ],
)
def test_feedback_without_question_or_answer_is_not_learnt_from(said: dict[str, Any], why: NoExampleReason) -> None:
    assert extract_rows(feedback(**said), None, DAY) == ([], why)


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"correct": False},
        {"correct": True, "correction": "no"},
        {"correction": "no", "correction_fields": ["year"]},
        {"correction": {"year": "1"}, "correction_fields": []},
        {"rating": 6},
    ],
)
def test_feedback_that_says_nothing_or_two_things_is_refused(said: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        feedback(**said)


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"rating": None, "correction": None},
        {"rating": 0},
        {"rating": 6},
        {"rating": 2.5},
        {"correction": ""},
        {"correction": "x" * 100_001},
    ],
)
def test_feedback_that_says_nothing_or_too_much_is_refused(said: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Feedback.model_validate({"inference_id": "chatcmpl-1", **said})


@pytest.mark.parametrize(
    "said", [{"rating": 1}, {"rating": 5}, {"correction": "refund"}, {"rating": 1, "correction": "x"}]
)
def test_feedback_is_a_rating_a_correction_or_both(said: dict[str, Any]) -> None:
    feedback = Feedback.model_validate({"inference_id": "chatcmpl-1", **said})

    assert feedback.model_dump(exclude_none=True) == {"inference_id": "chatcmpl-1", **said}
