"""What is one plain word may be repeated; what could be a sentence may not."""

import pytest

from tuneloop.domain.core.redaction import UNUSUAL, safe_code, safe_name


@pytest.mark.parametrize("text", ["invalid_api_key", "messages", "gpt-4.1-mini", "x" * 64, "0"])
def test_a_plain_word_is_repeated(text: str) -> None:
    assert (safe_code(text), safe_name(text)) == (text, text)


@pytest.mark.parametrize("text", ["", "two words", "x" * 65, "line\n", "wöche", "今天天气很好", "a:b", '"a"'])
def test_what_could_be_a_sentence_is_not(text: str) -> None:
    assert (safe_code(text), safe_name(text)) == (None, UNUSUAL)


@pytest.mark.parametrize("value", [None, 5, ["word"], {"word": 1}])
def test_only_text_is_a_word(value: object) -> None:
    assert safe_code(value) is None


def test_a_place_in_a_list_is_a_name() -> None:
    assert safe_name(3) == "3"
