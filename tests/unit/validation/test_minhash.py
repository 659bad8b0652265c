"""MinHash: what differs in a word or two shares a band, what says something else does not."""

import random

import pytest

from tuneloop.validation.minhash import BAND_DIGITS, BANDS, LIKENESS_DIGITS, ROWS, THRESHOLD, minhash_signature

WORDS = [f"{first}{second}{third}" for first in "bdfgklmnprst" for second in "aeiou" for third in "nlrst"]


def text(dice: random.Random, words: int) -> list[str]:
    return dice.choices(WORDS, k=words)


def bands(words: list[str]) -> set[str]:
    found = minhash_signature(" ".join(words))
    return {f"{number}:{found[number * BAND_DIGITS : (number + 1) * BAND_DIGITS]}" for number in range(BANDS)}


def found_alike(words: int, changed: int, pairs: int = 300) -> float:
    """The share of pairs that differ in so many words in a row and share a band."""
    dice = random.Random(7)
    alike = 0
    for _ in range(pairs):
        one = text(dice, words)
        start = dice.randrange(words - changed + 1)
        other = [*one[:start], *text(dice, changed), *one[start + changed :]]
        alike += bool(bands(one) & bands(other))
    return alike / pairs


def test_the_same_text_has_the_same_likeness_in_every_process() -> None:
    assert minhash_signature("where is my parcel today") == (
        "239607c4a29b07faffc4c1b4d045aeadb323573a09a2b00ffad3c838778a1d38"
        "24098cc85848ff7a362456b1be480eda0272ff2a2282f0963efc8be977746725"
    )
    assert len(minhash_signature("where is my parcel today")) == LIKENESS_DIGITS


def test_texts_without_a_word_are_like_nothing() -> None:
    assert minhash_signature("") == minhash_signature("  ") == ""


@pytest.mark.parametrize("one", ["hello", "hello there"])
def test_a_text_of_a_word_or_two_is_like_itself_alone(one: str) -> None:
    assert minhash_signature(one) == minhash_signature(one)
    assert not bands(one.split()) & bands([*one.split(), "world"])


@pytest.mark.parametrize("words", [60, 240])
def test_nearly_all_that_differs_in_one_passage_is_found(words: int) -> None:
    assert found_alike(words, changed=1) > 0.95
    assert found_alike(words, changed=words // 2) < 0.1
    assert found_alike(words, changed=words) < 0.02


def test_the_threshold_is_where_half_of_all_pairs_share_a_band() -> None:
    assert pytest.approx(0.5, abs=0.03) == 1 - (1 - THRESHOLD**ROWS) ** BANDS


def test_a_signature_tells_how_similar_two_texts_are() -> None:
    dice = random.Random(3)
    one = text(dice, 80)
    other = [*one[:-10], *text(dice, 10)]

    ours, theirs = (minhash_signature(" ".join(words))[BANDS * BAND_DIGITS :] for words in (one, other))

    shingles = [{tuple(words[start : start + 3]) for start in range(78)} for words in (one, other)]
    jaccard = len(shingles[0] & shingles[1]) / len(shingles[0] | shingles[1])
    agreeing = sum(a == b for a, b in zip(ours, theirs, strict=True)) / len(ours)
    assert (agreeing - 1 / 16) / (15 / 16) == pytest.approx(jaccard, abs=0.15)


def test_a_text_without_spaces_is_like_one_that_differs_in_a_character() -> None:
    one = "昨日注文した荷物がまだ届いていないのですが、今どこにあるのか教えていただけますか。よろしくお願いします。"
    other, unlike = (
        one.replace("昨日", "先日"),
        "返金の手続きについて知りたいので、担当者に電話をつないでもらえると助かります。ありがとうございます。",
    )

    assert bands([one]) & bands([other])
    assert not bands([one]) & bands([unlike])
