"""Free text is told from answers that can be compared exactly, and the gate reads no defeat in it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.evaluations import judged, table
from tuneloop.domain.chat.messages import CALLS_PREFIX
from tuneloop.domain.evaluation.evaluations import Evaluation
from tuneloop.domain.evaluation.gate import count_free_text, has_phrase, judge
from tuneloop.domain.evaluation.verdicts import VerdictCode

PHRASES = (
    "Your parcel left the depot in Utrecht and arrives on Tuesday.",
    "sure, see you at five then",
    "I'd give it another go tomorrow",
    "您的包裹已于今天上午离开仓库预计星期二送达。",
    "พัสดุของคุณออกจากคลังสินค้าแล้ว",
    "ご注文は本日発送いたしました。",
    "주문하신 상품은 오늘 오후에 발송될 예정입니다",
    "سيصل الطرد الخاص بك يوم الثلاثاء",
    "Line one says a lot.\nLine two says more.",
    json.dumps({"subject": "Your order", "body": "We are sorry that it took so long."}),
    json.dumps({"reply": {"parts": [{"text": "We are sorry that it took so long."}]}}),
    json.dumps("Just one sentence as JSON text"),
    CALLS_PREFIX + json.dumps([{"arguments": {"body": "Please send me the invoice again"}, "name": "send_mail"}]),
    "SELECT name FROM orders WHERE late",
)
COMPARABLE = (
    "4711",
    "17.5",
    "INV-2041",
    "order 4711",
    "2026-12-01",
    "12 kg",
    "refund_status",
    "Card not working",
    "Maria Lopez",
    "a3f1 77b2 09cc 4d1e 8a8a 1f00",
    "3f6a0d92-c7be-4158-8e24-d6b07bf73129",
    "https://example.com/orders/4711?late=true",
    "12 34 56 78 90 11 12 13 14 15",
    "",
    "…",
    "- - - - - -",
    "取消订单",
    json.dumps({"intent": "refund_status", "urgent": True, "amount": 17.5}),
    json.dumps({"player": "Michael Jordan", "year": "1986-87", "set": "Fleer", "number": "57", "grade": "PSA 8"}),
    json.dumps([1, 2, 3, 4, 5, 6, 7, 8]),
    CALLS_PREFIX + json.dumps([{"arguments": {"order": 4711, "reason": "too late"}, "name": "cancel_order"}]),
)


@pytest.mark.parametrize("answer", PHRASES)
def test_what_could_be_said_in_other_words_is_a_phrase(answer: str) -> None:
    assert has_phrase(answer)


@pytest.mark.parametrize("answer", COMPARABLE)
def test_what_can_be_said_in_one_way_only_is_none(answer: str) -> None:
    assert not has_phrase(answer)


def test_answers_that_come_again_are_a_closed_set_however_long() -> None:
    canned = ["I am sorry, but I can't help you with that.", "Please give me the number of your order first."]

    assert count_free_text(canned * 12) == 0
    assert count_free_text([*canned * 12, PHRASES[0]]) == 1
    assert count_free_text(["Your order is late now", "your  ORDER is\nlate now"]) == 0


def test_deep_and_broken_json_is_counted_as_text() -> None:
    assert has_phrase("[" * 100_000 + " the model got lost here")
    assert has_phrase('{"reply": "it was cut off in the')


@given(st.lists(st.text(), max_size=30))
def test_no_more_answers_are_free_text_than_there_are(answers: list[str]) -> None:
    assert 0 <= count_free_text(answers) <= len(set(answers))


@given(st.lists(st.integers() | st.floats() | st.booleans() | st.uuids() | st.datetimes(), max_size=30))
def test_numbers_ids_and_times_are_never_free_text(values: list[Any]) -> None:
    assert count_free_text(map(str, values)) == 0


def of_free_text(right: tuple[int, int], rows: int, free: int) -> Evaluation:
    """An evaluation of version 2 against 1 with so many right answers, in other rows."""
    candidate, stable = right
    arms = table(0, candidate, stable, rows - candidate - stable)
    return judged(*arms).model_copy(update={"free_text": free})


@pytest.mark.parametrize("right", [(0, 0), (1, 0), (0, 1), (1, 1), (2, 2), (2, 0)], ids=str)
@pytest.mark.parametrize("free", [23, 12])
def test_free_text_is_no_defeat_and_no_victory(right: tuple[int, int], free: int) -> None:
    verdict = judge(of_free_text(right, 23, free))

    assert (verdict.promote, verdict.code) == (False, VerdictCode.FREE_TEXT)
    assert verdict.reason.startswith("This comparison says nothing for or against version 2")
    assert f"{free} of 23 expected answers are free text" in verdict.reason
    assert f"({right[0]} equal against {right[1]})" in verdict.reason
    assert "commonest" not in verdict.reason
    assert "activate the version by hand if you trust it" in verdict.reason


def test_free_text_that_is_equal_a_little_more_often_activates_nothing() -> None:
    evaluation = of_free_text((20, 2), 300, 300)

    assert evaluation.comparison is not None
    assert evaluation.comparison.p_value < 0.001
    assert judge(evaluation).code == VerdictCode.FREE_TEXT


@pytest.mark.parametrize("right", [(12, 0), (0, 12), (12, 11)], ids=str)
def test_texts_that_are_often_equal_are_compared(right: tuple[int, int]) -> None:
    assert judge(of_free_text(right, 23, 23)).code in (VerdictCode.BETTER, VerdictCode.NOT_BETTER)


@pytest.mark.parametrize(("right", "baseline"), [((3, 0), 0), ((3, 5), 0), ((5, 6), 7)])
def test_texts_that_are_equal_now_and_then_get_a_word_of_warning(right: tuple[int, int], baseline: int) -> None:
    evaluation = judged(*table(0, *right, 23 - sum(right)), baseline=baseline).model_copy(update={"free_text": 23})

    verdict = judge(evaluation)

    assert verdict.code == (VerdictCode.COMMONEST_ANSWER if baseline else VerdictCode.NOT_BETTER)
    assert verdict.reason.endswith("of which only those count that are equal word for word.")


@pytest.mark.parametrize("right", [(0, 0), (0, 1), (1, 0), (2, 2)], ids=str)
@pytest.mark.parametrize("free", [0, 11])
def test_different_short_answers_are_compared(right: tuple[int, int], free: int) -> None:
    verdict = judge(of_free_text(right, 23, free))

    assert verdict.code in (VerdictCode.NOT_BETTER, VerdictCode.COMMONEST_ANSWER)
    assert "free text" not in verdict.reason


def test_none_right_says_so_instead_of_naming_the_commonest_answer() -> None:
    verdict = judge(of_free_text((0, 3), 23, 0))

    assert verdict.code == VerdictCode.NOT_BETTER
    assert verdict.reason == (
        "Not proved better: none of 23 answers is the expected one, against 3. "
        "Answers are compared exactly, as JSON where they are JSON."
    )


def test_what_the_commonest_answer_does_better_is_said_in_figures() -> None:
    verdict = judge(judged(*table(0, 0, 3, 37), baseline=10))

    assert verdict.code == VerdictCode.COMMONEST_ANSWER
    assert verdict.reason == "Always giving the commonest answer is right more often (25.0% against 0.0%)."


def test_too_few_rows_of_free_text_are_not_told_to_become_more() -> None:
    verdict = judge(of_free_text((0, 0), 12, 12))

    assert verdict.code == VerdictCode.TOO_FEW
    assert "More would not help" in verdict.reason
    assert "Add examples" not in verdict.reason
