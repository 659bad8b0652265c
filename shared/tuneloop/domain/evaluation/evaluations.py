"""Evaluations: a candidate against the stable version and the base model, on the same held-out examples.

Each arm answers every test example, and each answer is right or wrong. The gate is a paired, one-sided mid-p McNemar
test of candidate against stable. Test rows that share something with an arm's training data are asked of no arm. A
question that the provider refuses counts as wrong; if more than a few are refused, the figures say little about the
version.
"""

import json
from collections import Counter
from collections.abc import Collection
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel

from tuneloop.domain.chat.messages import CALLS_PREFIX
from tuneloop.domain.core.ids import Name
from tuneloop.domain.core.leases import Lease
from tuneloop.domain.core.pricing import CallTokens, Usd
from tuneloop.domain.evaluation.statistics import (
    PairedCounts,
    alpha_per_look,
    mid_p_mcnemar,
    newcombe_paired_interval,
    smallest_detectable_difference,
    wilson_interval,
)
from tuneloop.domain.evaluation.verdicts import Verdict

# If more of the test rows were seen in training, the rest is no longer the set that was drawn.
MOST_REMOVED_SHARE = 0.20
# With fewer paired rows the gate takes no figures: only a very large gain could be told from chance.
FEWEST_ROWS = 20
# If two versions answer alike on nearly all rows, the discordance observed is near 0; planned with that, so few rows
# would seem to be able to show tiny gains.
LEAST_DISCORDANCE = 0.05


class EvaluationStatus(StrEnum):
    """Where an evaluation stands."""

    REQUESTED = "requested"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


class Intent(StrEnum):
    """What an evaluation's verdict is for; it only rises.

    A report is read and decides nothing. Of an evaluation that is to promote, the verdict is announced, and activates
    the candidate if it proved better.
    """

    REPORT = "report"
    PROMOTE = "promote"

    def rises_above(self, other: "Intent") -> bool:
        """Whether this intent is promotion and the other is a report."""
        return self is Intent.PROMOTE and other is Intent.REPORT


class ArmName(StrEnum):
    """The sides of an evaluation; `most_frequent` always gives the commonest answer of the training data."""

    CANDIDATE = "candidate"
    STABLE = "stable"
    BASE = "base"
    MOST_FREQUENT = "most_frequent"


class ArmResult(BaseModel):
    """One arm's figures: right answers of `examples`, with Wilson's 95% interval; `errors` count as wrong.

    `unmetered` answers are not in its cost, as their provider didn't tell their tokens.
    """

    version: int | None = None
    examples: int
    correct: int
    errors: int
    accuracy: float
    interval: tuple[float, float]
    cost_usd: Usd | None = None
    unmetered: int = 0


class EvaluationError(BaseModel):
    """Why an evaluation proves nothing either way and may be asked for again."""

    code: str
    message: str


class Comparison(BaseModel):
    """Candidate against stable on the same rows; the interval is the one that matches the one-sided test at `alpha`."""

    difference: float
    interval: tuple[float, float]
    p_value: float
    alpha: float
    only_candidate_right: int
    only_stable_right: int
    smallest_provable_improvement: float


class EvaluationView(BaseModel):
    """An evaluation as its users read it.

    `candidate` is compared with `stable`; what the verdict does is said by `intent`: a `report` decides nothing.
    Of `rows_available` test rows, `removed_overlap` share something with what a version was trained or validated on and
    are asked of none; `removed_by` counts them by what they share, some more than once: `prompt`, `exact`, `subject`,
    `conversation`, `near_duplicate`. Of the others each version is asked `rows_asked`, the same for all, and `examples`
    count. Of those `free_text` expect an answer of several words that no other row expects, which is hardly ever equal.
    If more than 20% are removed (`contaminated`) or fewer than 20 are left (`too_few`), nothing could be proved: none
    is asked, and `examples` are those left.
    `look` is its number among the looks at its dataset's test rows within a year, 0 while it has asked none.
    The provider didn't tell the tokens of `unmetered` answers, so `cost_usd` is what the others cost; it is an upper
    bound where cached tokens are in it at the full rate.
    """

    id: Name
    model: Name
    candidate: int
    stable: int
    dataset: Name
    export: Name
    # Releases that knew no intent let every verdict decide, so their rows were asked for with promotion in view: one
    # that is open across the upgrade does its job, and the hold keeps off what a person took off.
    intent: Intent = Intent.PROMOTE
    look: int = 1
    status: EvaluationStatus = EvaluationStatus.REQUESTED
    progress: float = 0.0
    waiting_for: str | None = None
    rows_available: int = 0
    rows_asked: int = 0
    examples: int = 0
    removed_overlap: int = 0
    removed_by: dict[str, int] = {}
    contaminated: bool = False
    too_few: bool = False
    free_text: int = 0
    arms: dict[ArmName, ArmResult] = {}
    comparison: Comparison | None = None
    cost_usd: Usd | None = None
    cost_is_upper_bound: bool = False
    unmetered: int = 0
    verdict: Verdict | None = None
    error: EvaluationError | None = None
    created_at: datetime
    finished_at: datetime | None = None


class Evaluation(EvaluationView):
    """An evaluation with what its workers keep about it: who holds it, and the parts written so far for each arm.

    `announced_again` is when its verdict was last announced once more, None if that was never needed.
    `overlap_was_found` says that the rows to leave out are stored; older versions left them out at the end.
    """

    tenant: Name
    announced_again: datetime | None = None
    attempt: int = 1
    parts: dict[ArmName, int] = {}
    waiting_since: datetime | None = None
    overlap_was_found: bool = False
    lease: Lease | None = None
    seq: int = 0

    @property
    def overlap_is_known(self) -> bool:
        """Whether the rows to leave out are known; an evaluation that starts again looks for them again."""
        return self.overlap_was_found and self.status != EvaluationStatus.REQUESTED

    @property
    def is_open(self) -> bool:
        """Whether the evaluation has rows left to ask or figures left to work out."""
        return self.status in (EvaluationStatus.REQUESTED, EvaluationStatus.RUNNING)

    def is_free(self, now: datetime) -> bool:
        """Whether the evaluation is open and nobody's lease on it is in force."""
        return self.is_open and not (self.lease and self.lease.is_held(now))

    @property
    def is_free_text(self) -> bool:
        """Whether more than half of the rows that count expect free text."""
        return 2 * self.free_text > self.examples

    def is_raised_from(self, seen: "Evaluation") -> bool:
        """Whether a raise of the intent is the only change since the evaluation was read as `seen`."""
        return self.seq == seen.seq + 1 and self.lease == seen.lease and self.intent.rises_above(seen.intent)

    @property
    def versions(self) -> dict[ArmName, int]:
        """The version of each arm."""
        return {ArmName.CANDIDATE: self.candidate, ArmName.STABLE: self.stable, ArmName.BASE: 0}

    @property
    def asked(self) -> dict[ArmName, int]:
        """The arms to ask, with their versions; of arms with the same version only the first is asked."""
        first: dict[int, ArmName] = {}
        for arm, number in self.versions.items():
            first.setdefault(number, arm)
        return {arm: number for number, arm in first.items()}


class ScoredAnswer(BaseModel):
    """The answer of one arm to one test row, and whether it is right; `error` is the message of a refusal.

    Token counts that the provider didn't report are null, or 0 in parts of older evaluations. `cache_is_unclear` is set
    if the count of cached tokens that the provider reported makes no sense.
    """

    row: int
    right: bool
    answer: str | None = None
    error: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int = 0
    cache_is_unclear: bool = False

    @property
    def tokens(self) -> CallTokens:
        """The tokens that the provider reported for the answer; none for a refusal."""
        if self.error is not None:
            return CallTokens(0, 0)
        return CallTokens(
            self.prompt_tokens or None, self.completion_tokens, None if self.cache_is_unclear else self.cached_tokens
        )


def is_right(answer: str, expected: str) -> bool:
    """Whether two answers are equal: as JSON values if both are JSON, else as texts without regard to white space.

    Tool calls, as `answer_of` writes them, equal only tool calls with the same names and arguments, in order.
    """
    if answer.startswith(CALLS_PREFIX) and expected.startswith(CALLS_PREFIX):
        answer, expected = answer.removeprefix(CALLS_PREFIX), expected.removeprefix(CALLS_PREFIX)
    try:
        return bool(_json(answer) == _json(expected))
    except (ValueError, RecursionError):  # not JSON, or nested too deeply
        return answer.split() == expected.split()


def _json(text: str) -> Any:
    """The value of a JSON text; numbers are wrapped in tuples, as in Python `true` equals 1."""
    return json.loads(text, parse_int=_integer, parse_float=_fraction, parse_constant=_refuse_constant)


def _integer(digits: str) -> tuple[str, int]:
    return "number", int(digits)


def _fraction(digits: str) -> tuple[str, float]:
    return "number", float(digits)


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is not JSON")


def arm_result(
    version: int | None, scores: list[ScoredAnswer], cost_usd: Usd | None = None, unmetered: int = 0
) -> ArmResult:
    """One arm's figures over the rows that the evaluation counts."""
    correct = sum(score.right for score in scores)
    low, high = wilson_interval(correct, len(scores))
    return ArmResult(
        version=version,
        examples=len(scores),
        correct=correct,
        errors=sum(score.error is not None for score in scores),
        accuracy=correct / len(scores) if scores else 0.0,
        interval=(low, high),
        cost_usd=cost_usd,
        unmetered=unmetered,
    )


def compare(candidate: list[ScoredAnswer], stable: list[ScoredAnswer], look: int) -> Comparison | None:
    """The paired comparison of two arms on the same rows, at the alpha of the look; None without rows."""
    if not candidate:
        return None
    counts = PairedCounts.from_scores([score.right for score in candidate], [score.right for score in stable])
    alpha = alpha_per_look(look)
    low, high = newcombe_paired_interval(*counts, confidence=1 - 2 * alpha) if alpha else (-1.0, 1.0)
    discordance = max(LEAST_DISCORDANCE, counts.discordance)
    provable = smallest_detectable_difference(counts.n, discordance, alpha) if alpha else 1.0
    return Comparison(
        difference=counts.difference,
        interval=(low, high),
        p_value=mid_p_mcnemar(counts.only_candidate, counts.only_baseline),
        alpha=alpha,
        only_candidate_right=counts.only_candidate,
        only_stable_right=counts.only_baseline,
        smallest_provable_improvement=provable,
    )


def format_p_value(p_value: float) -> str:
    """A p-value as people read it; below one in ten thousand the digits don't matter."""
    return "p < 0.0001" if p_value < 1e-4 else f"p = {p_value:.2g}"


def is_contaminated(rows: int, removed: int) -> bool:
    """Whether more than 20% of the test rows were seen in training."""
    return removed > MOST_REMOVED_SHARE * rows


def without_overlap(
    evaluation: Evaluation, available: int, removed: int, kinds: dict[str, int], *, most: int
) -> Evaluation:
    """The evaluation with its overlap: `removed` of `available` test rows, counted by kind, were seen by a version.

    Of the rows left at most `most` are asked, or none if the test is contaminated or too small. Rows are removed before
    the limit is applied, so that the removed ones don't count towards it and all rows decide about contamination.
    """
    left = available - removed
    contaminated, too_few = is_contaminated(available, removed), left < FEWEST_ROWS
    is_asked = not (contaminated or too_few)
    figures = {
        "rows_available": available,
        "removed_overlap": removed,
        "removed_by": kinds,
        "contaminated": contaminated,
        "too_few": too_few,
        "rows_asked": min(left, most) if is_asked else 0,
        "examples": min(left, most) if is_asked else left,
        "overlap_was_found": True,
    }
    return evaluation.model_copy(update=figures)


def looks_spent_error(evaluation: Evaluation, look: int) -> EvaluationError | None:
    """The error of an evaluation that is to promote but has no alpha left for its look; else None."""
    if alpha_per_look(look) or evaluation.intent is not Intent.PROMOTE:
        return None
    message = (
        f"The test rows of dataset {evaluation.dataset} were looked at {look - 1} times within a year; one more look "
        "could not tell a gain from chance, so nothing was asked. For the figures ask without `promote`, and activate "
        "the version by hand if you trust them."
    )
    return EvaluationError(code="looks_spent", message=message)


def all_refused_error(number: int, answers: Collection[ScoredAnswer], rows: int) -> EvaluationError | None:
    """The error of a version whose first rows were all refused, once enough of them were asked; else None."""
    errors = Counter(answer.error for answer in answers)
    if len(answers) < min(FEWEST_ROWS, rows) or errors.pop(None, 0) or not errors:
        return None
    [(commonest, _)] = errors.most_common(1)
    message = f"Version {number} answered none of {len(answers)} questions: {commonest}"
    return EvaluationError(code="provider_refused", message=message)
