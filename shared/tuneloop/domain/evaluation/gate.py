"""The gate: decides from a comparison whether a version may be activated, with the reason in words.

A question that the provider refused counts as wrong, so many refusals on one side say little about its version. Answers
are compared exactly, which says little about free text. An expected answer is free text if it holds a phrase of several
words and no other row expects the same. Numbers, ids, labels and short names are not free text: an exact comparison
shows who got them right.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from tuneloop.domain.chat.messages import CALLS_PREFIX
from tuneloop.domain.evaluation.evaluations import (
    FEWEST_ROWS,
    MOST_REMOVED_SHARE,
    ArmName,
    ArmResult,
    Comparison,
    Evaluation,
    EvaluationError,
    Intent,
    format_p_value,
)
from tuneloop.domain.evaluation.verdicts import Verdict, VerdictCode

# A content filter refuses a question now and then. From one in twenty on, refusals could decide a comparison whose
# provable gain is about that large.
MOST_REFUSED_SHARE = 0.05
# With free text, two of 23 rows may be equal by luck. A version that is right more often gives answers that can be
# compared, however long they are.
MOST_RIGHT_BY_LUCK = 0.10
FREE_TEXT_HELP = (
    "Read some answers of both, and activate the version by hand if you trust it; or train on answers that can be "
    "compared exactly: one of a closed set, an id or number, or JSON with short fields, such as a template's "
    "`answer_schema` gives."
)
# For a report on test rows whose looks of the year are spent: at an alpha of 0 the interval is -1 to 1.
LOOKS_SPENT = (
    "These test rows were looked at so often within a year that one more look can't tell a gain from chance: bring a "
    "fresh test file, or activate the version by hand if you trust the figures."
)
# Added to verdicts on free text of which more answers are equal than luck explains.
FREE_TEXT_NOTE = "Most expected answers are free text, of which only those count that are equal word for word."

# From four words on a text can be said in other words. Ids, numbers, dates, amounts and most names and labels have
# fewer; a token with a digit in it is none. Short chats ("sure, see you at five then") have more.
FEWEST_WORDS = 4
# Chinese, Japanese, Thai, Lao, Khmer and Burmese put no spaces between words; two of their letters count as a word.
UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
LETTERS_PER_WORD = 2


def often_refused_error(arms: dict[ArmName, ArmResult]) -> EvaluationError | None:
    """The error of a comparison in which more than 5% of an arm's questions were refused; else None."""
    for arm in (arms[ArmName.CANDIDATE], arms[ArmName.STABLE]):
        if arm.errors > MOST_REFUSED_SHARE * arm.examples:
            refused = f"The provider refused {arm.errors} of {arm.examples} questions to version {arm.version}"
            message = f"{refused}; at most {MOST_REFUSED_SHARE:.0%} may be."
            return EvaluationError(code="too_many_refused", message=message)
    return None


def unproved_verdict(error: EvaluationError) -> Verdict:
    """The verdict of an evaluation that proves nothing either way."""
    again = "Ask for the evaluation again when that is mended, with `promote: true` if it is to activate the version."
    return _refuse(VerdictCode.UNPROVED, f"Nothing is proved. {error.message} {again}")


def judge(evaluation: Evaluation) -> Verdict:
    """The verdict on an evaluation: the candidate has to beat stable beyond chance, and the commonest answer."""
    comparison, arms = evaluation.comparison, evaluation.arms
    if evaluation.contaminated or evaluation.examples < FEWEST_ROWS or comparison is None:
        return _unfit_verdict(evaluation)
    if error := often_refused_error(arms):
        return unproved_verdict(error)
    candidate, stable = arms[ArmName.CANDIDATE], arms[ArmName.STABLE]
    if evaluation.is_free_text and max(candidate.accuracy, stable.accuracy) <= MOST_RIGHT_BY_LUCK:
        return _refuse(
            VerdictCode.FREE_TEXT,
            f"This comparison says nothing for or against version {evaluation.candidate}: {evaluation.free_text} of "
            f"{evaluation.examples} expected answers are free text, and answers are compared word for word "
            f"({candidate.correct} equal against {stable.correct}). {FREE_TEXT_HELP}",
        )
    if not candidate.correct and not arms[ArmName.MOST_FREQUENT].correct:
        return _refuse(
            VerdictCode.NOT_BETTER,
            f"Not proved better: none of {evaluation.examples} answers is the expected one, against {stable.correct}. "
            "Answers are compared exactly, as JSON where they are JSON.",
        )
    return _verdict_by_figures(evaluation, comparison)


def _unfit_verdict(evaluation: Evaluation) -> Verdict:
    """The verdict on an evaluation whose test rows can't prove anything, whatever the versions answered."""
    if evaluation.contaminated:
        return _refuse(
            VerdictCode.CONTAMINATED,
            f"{evaluation.removed_overlap} of {evaluation.rows_available} test rows were in training data, or share a "
            f"subject, a conversation or their wording with it, and {evaluation.examples} are left; at most "
            f"{MOST_REMOVED_SHARE:.0%} may be removed. Refresh the test set, or activate by hand.",
        )
    few = f"{evaluation.examples} test rows are too few to prove anything; that takes {FEWEST_ROWS}."
    free = f"More would not help, as their answers are free text, which is compared word for word. {FREE_TEXT_HELP}"
    how = free if evaluation.is_free_text else "Add examples, or activate by hand."
    return _refuse(VerdictCode.TOO_FEW, f"{few} {how}")


def _verdict_by_figures(evaluation: Evaluation, comparison: Comparison) -> Verdict:
    """The verdict that follows from the figures of the comparison."""
    arms = evaluation.arms
    note = f" {FREE_TEXT_NOTE}" if evaluation.is_free_text else ""
    candidate, most_frequent = arms[ArmName.CANDIDATE], arms[ArmName.MOST_FREQUENT]
    if candidate.accuracy <= most_frequent.accuracy:
        often = f"as often ({most_frequent.accuracy:.1%})"
        if candidate.correct < most_frequent.correct:
            often = f"more often ({most_frequent.accuracy:.1%} against {candidate.accuracy:.1%})"
        return _refuse(VerdictCode.COMMONEST_ANSWER, f"Always giving the commonest answer is right {often}.{note}")
    p_value = format_p_value(comparison.p_value)
    figures = (
        f"{candidate.accuracy:.1%} right against {arms[ArmName.STABLE].accuracy:.1%} on {evaluation.examples} "
        f"held-out examples (gain {comparison.difference * 100:+.1f} points, {1 - 2 * comparison.alpha:.0%} interval "
        f"{comparison.interval[0] * 100:+.1f} to {comparison.interval[1] * 100:+.1f}, {p_value})"
    )
    if not comparison.alpha:
        rates = f"{candidate.accuracy:.1%} right against {arms[ArmName.STABLE].accuracy:.1%}"
        return _refuse(VerdictCode.UNPROVED, f"{rates}, but that proves nothing. {LOOKS_SPENT}{note}")
    if comparison.p_value > comparison.alpha or comparison.difference <= 0:
        provable = comparison.smallest_provable_improvement
        reason = f"Not proved better: {figures}. This test set can show a gain of {provable * 100:.0f} points."
        return _refuse(VerdictCode.NOT_BETTER, f"{reason}{note}")
    other = "what serves today" if evaluation.intent is Intent.PROMOTE else f"version {evaluation.stable}"
    return Verdict(promote=True, code=VerdictCode.BETTER, reason=f"Better than {other}: {figures}.")


def _refuse(code: VerdictCode, reason: str) -> Verdict:
    return Verdict(promote=False, code=code, reason=reason)


def count_free_text(expected: Iterable[str]) -> int:
    """How many of the expected answers are free text: a phrase of several words, expected of no other row."""
    times = Counter(" ".join(answer.split()).casefold() for answer in expected)
    return sum(1 for answer, rows in times.items() if rows == 1 and has_phrase(answer))


def has_phrase(answer: str) -> bool:
    """Whether an answer, or a text inside its JSON or its tool calls, is a phrase of several words."""
    return any(_count_words(text) >= FEWEST_WORDS for text in _texts(answer.removeprefix(CALLS_PREFIX)))


def _texts(answer: str) -> Iterator[str]:
    """The texts of a JSON answer, else the answer itself."""
    try:
        value = json.loads(answer)
    except (ValueError, RecursionError):  # no JSON, or too deep to be read
        yield answer
        return
    waiting: list[Any] = [value]
    while waiting:
        match waiting.pop():
            case str() as text:
                yield text
            case dict() as part:
                waiting += part.values()
            case list() as part:
                waiting += part


def _count_words(text: str) -> int:
    """The number of words in a text; tokens with a digit in them, or without a letter, don't count."""
    spaced = sum(1 for token in text.split() if any(map(str.isalpha, token)) and not any(map(str.isdigit, token)))
    return max(spaced, len(UNSPACED.findall(text)) // LETTERS_PER_WORD)
