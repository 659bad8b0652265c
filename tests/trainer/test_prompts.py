from time import thread_time

import pytest

from trainer.engine.prompts import NamedAnswer, named_answers
from trainer.engine.text import Turn
from trainer.engine.zero_shot import ZeroShotModel

JSON = 'Answer as JSON: {"intent": "<intent>"}.'


def answers(prompt: str) -> list[str]:
    return [named.answer for named in named_answers(prompt)]


@pytest.mark.parametrize(
    "prompt",
    [
        "Route it.\n\nPossible answers, one per line:\nrefund_request\ncard_arrival",
        "Categories:\n- refund_request\n- card_arrival\n\nBe quick.",
        "The labels are as follows:\n\n1. refund_request\n2. card_arrival",
        "* refund_request\n* card_arrival",
        "Intents: refund_request, card_arrival.",
        "Choose one of refund_request or card_arrival. Say nothing else.",
        "Options: 'refund_request' and 'card_arrival'",
        'Labels: ["refund_request", "card_arrival"]',
        "Pick a tag (refund_request|card_arrival) for it.",
        "Reply with refund_request or card_arrival",
    ],
)
def test_answers_are_found_in_the_shapes_people_write(prompt: str) -> None:
    assert answers(prompt) == ["refund_request", "card_arrival"]


@pytest.mark.parametrize(
    "prompt",
    [
        f"{JSON}\n\nPossible intents:\nrefund\ncard",
        f"{JSON} The intent is one of: refund, card.",
        'Answer {"intent": "refund|card"}',
    ],
)
def test_plain_names_are_put_into_the_json_that_the_prompt_shows(prompt: str) -> None:
    assert answers(prompt) == ['{"intent": "refund"}', '{"intent": "card"}']


def test_answers_one_per_line_are_given_as_they_stand() -> None:
    listed = ['{"intent": "card_arrival"}', "- odd: but an answer", "refund"]

    named = named_answers("\n".join([JSON, "", "Possible answers, one per line:", *listed]))

    assert [one.answer for one in named] == listed
    assert named[0].words == "card_arrival"


def test_an_answer_nested_beyond_recursion_is_listed_as_it_stands() -> None:
    deep = '["a",' * 900 + '"b"' + "]" * 900

    named = named_answers(f"{JSON}\n\nPossible answers, one per line:\n{deep}\nrefund")

    assert named[0] == NamedAnswer(deep, " ".join(["a"] * 900 + ["b"]))


def test_a_description_helps_to_choose_and_is_not_part_of_the_answer() -> None:
    named = named_answers("Classes:\n- billing: questions about money\n- tech: the app crashes")

    assert named[1] == NamedAnswer("tech", "tech: the app crashes")


@pytest.mark.parametrize(
    "prompt", ["", "You are a helpful assistant.", "Be kind: never lie, never shout.", JSON, "Labels: one"]
)
def test_a_prompt_that_names_nothing_names_nothing(prompt: str) -> None:
    assert named_answers(prompt) == ()


@pytest.mark.parametrize("piece", ["one of labels ", "{ < ' ", "a, ", "| ", "Labels: ", "word "])
def test_a_prompt_four_times_as_long_takes_no_ten_times_as_long(piece: str) -> None:
    """Linear reading takes four times as long, a regular expression that backtracks sixteen times or more."""
    assert reading_time_s(piece * 40_000) < 10 * reading_time_s(piece * 10_000)


def reading_time_s(prompt: str) -> float:
    """The processor time of this thread alone, which other processes of a busy machine do not lengthen; best of 3."""
    times = []
    for _ in range(3):
        named_answers.cache_clear()
        begun = thread_time()
        named_answers(prompt)
        times.append(thread_time() - begun)
    return min(times)


def test_the_base_model_chooses_by_words_and_parts_of_words() -> None:
    prompt = "Possible answers, one per line:\n{'intent': 'x'}\ncard_arrival\nexchange_rate\ncashWithdrawal"
    model = ZeroShotModel()

    chosen = [
        model.answer([Turn("system", prompt), Turn("user", question)]).content
        for question in ("Has my card arrived?", "your RATES for exchanging", "withdrawing some cash", "???")
    ]

    assert chosen == ["card_arrival", "exchange_rate", "cashWithdrawal", "{'intent': 'x'}"]
