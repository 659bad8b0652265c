"""The statistics of a paired comparison: tests, intervals and sample sizes, in closed forms over four counts.

Two versions answer the same held-out rows, so every comparison here is paired: only the rows that one of them alone got
right speak for either. Shares, differences and intervals are fractions, never percent. `alpha` is one-sided and
`confidence` two-sided, so the interval that goes with a test at `alpha` has confidence 1 - 2 * alpha.
A ValueError is a caller's mistake and says what would be right.
"""

import math
from collections import Counter
from collections.abc import Iterable
from itertools import accumulate
from operator import mul
from statistics import NormalDist
from typing import NamedTuple, Self


class Interval(NamedTuple):
    """A confidence interval as fractions, both ends included."""

    low: float
    high: float


class PairedCounts(NamedTuple):
    """Rows that both versions got right, one alone, or neither; it unpacks into `newcombe_paired_interval`."""

    both: int
    only_candidate: int
    only_baseline: int
    neither: int

    @classmethod
    def from_scores(cls, candidate: Iterable[bool], baseline: Iterable[bool]) -> Self:
        """Count right/wrong scores given in one order of rows; ValueError where a row lacks a score or it is graded."""
        ours, theirs = list(candidate), list(baseline)
        _require(len(ours) == len(theirs), f"each row needs two scores, not {len(ours)} against {len(theirs)}")
        pairs = Counter(zip(ours, theirs, strict=True))
        counts = cls(pairs[True, True], pairs[True, False], pairs[False, True], pairs[False, False])
        _require(counts.n == len(ours), "scores must be True or False; graded scores can't be counted in pairs")
        return counts

    @property
    def n(self) -> int:
        """All rows."""
        return sum(self)

    @property
    def candidate_accuracy(self) -> float:
        """The share of rows that the candidate got right; ValueError without rows, like each share below."""
        return _share(self.both + self.only_candidate, self.n)

    @property
    def baseline_accuracy(self) -> float:
        """The share of rows that the baseline got right."""
        return _share(self.both + self.only_baseline, self.n)

    @property
    def difference(self) -> float:
        """Candidate accuracy minus baseline accuracy, from -1 to 1."""
        return _share(self.only_candidate - self.only_baseline, self.n)

    @property
    def discordance(self) -> float:
        """The share of rows that exactly one version got right."""
        return _share(self.only_candidate + self.only_baseline, self.n)


def wilson_interval(successes: int, n: int, confidence: float = 0.95) -> Interval:
    """Wilson's (1927) score interval for a share; 0 to 1 without rows, where the formula tends as n goes to 0."""
    _require(0 <= successes <= n, f"successes must lie between 0 and n, not {successes} of {n}")
    z = _two_sided_z(confidence)
    # The high end mirrors the low end of the failures, so that 0 of n starts at exactly 0 and n of n ends at exactly 1.
    return Interval(_wilson_low(successes, n, z), 1 - _wilson_low(n - successes, n, z))


def mid_p_mcnemar(only_candidate: int, only_baseline: int) -> float:
    """One-sided mid-p value for "the candidate is better" from the discordant rows.

    P(X > c) + P(X = c) / 2 with X ~ Binomial(c + b, 1/2) (Fagerland, Lydersen, Laake 2013, BMC Med Res Methodol 13:91).
    Without discordant rows it is the formula's own 0.5, as for any even split: no evidence for either.
    """
    _require_counts(only_candidate, only_baseline)
    if only_candidate < only_baseline:
        return 1 - mid_p_mcnemar(only_baseline, only_candidate)
    n = only_candidate + only_baseline
    point = math.comb(n, only_candidate) / (1 << n)  # exact integers, rounded once: no underflow before the division
    beyond = accumulate(((n - k) / (k + 1) for k in range(only_candidate, n)), mul)  # P(X = k + 1) / P(X = c), each k
    return point * (0.5 + math.fsum(beyond))


def newcombe_paired_interval(
    both: int, only_candidate: int, only_baseline: int, neither: int, confidence: float = 0.90
) -> Interval:
    """Newcombe's hybrid score interval for candidate minus baseline accuracy; -1 to 1 without rows.

    Method 10 of Newcombe (1998, Stat Med 17:2635-2650): the distances of both Wilson intervals' ends, added as vectors
    whose angle is the rows' continuity-corrected correlation phi. 90% goes with a one-sided test at 0.05; the two may
    disagree where p is within a hair of alpha, and then the test decides.
    """
    _require_counts(both, only_candidate, only_baseline, neither)
    n = both + only_candidate + only_baseline + neither
    if n == 0:
        return Interval(-1.0, 1.0)
    ours, theirs = (both + only_candidate) / n, (both + only_baseline) / n
    our, their = (wilson_interval(both + alone, n, confidence) for alone in (only_candidate, only_baseline))
    phi = _corrected_phi(both, only_candidate, only_baseline, neither)
    difference = (only_candidate - only_baseline) / n
    return Interval(
        difference - _vector_sum(ours - our.low, their.high - theirs, phi),
        difference + _vector_sum(our.high - ours, theirs - their.low, phi),
    )


def rows_needed(difference: float, discordance: float, alpha: float = 0.05, power: float = 0.8) -> int:
    """The paired rows on which a one-sided McNemar test at `alpha` finds `difference` with chance `power`.

    n = (z_alpha sqrt(psi) + z_power sqrt(psi - delta^2))^2 / delta^2 (Connor 1987, Biometrics 43:207-211), psi being
    the discordance: a share of rows at least as large as the difference, and raised to it where it is given smaller.
    """
    _require(0 < difference <= 1, f"difference must be above 0 and at most 1, not {difference}")
    z_alpha, z_power = _planning_z(discordance, alpha, power)
    psi = max(discordance, difference)
    rows = ((z_alpha * math.sqrt(psi) + z_power * math.sqrt(psi - difference**2)) / difference) ** 2
    return math.ceil(rows * (1 - 1e-12))  # rounding must not add a row to what smallest_detectable_difference took


def smallest_detectable_difference(n: int, discordance: float, alpha: float = 0.05, power: float = 0.8) -> float:
    """The smallest difference for which `rows_needed` is at most n; 1 where n is too small to prove anything.

    Connor's formula solved for delta: sqrt(psi) r, or r^2 where that asks for more discordance than psi, with
    r = (z_alpha sqrt(n) + z_power sqrt(n + z_power^2 - z_alpha^2)) / (n + z_power^2).
    """
    _require_counts(n)
    z_alpha, z_power = _planning_z(discordance, alpha, power)
    if n <= z_alpha**2:
        return 1.0
    reach = (z_alpha * math.sqrt(n) + z_power * math.sqrt(n + z_power**2 - z_alpha**2)) / (n + z_power**2)
    return reach * max(math.sqrt(discordance), reach)


def alpha_per_look(look: int, looks: int = 12, alpha: float = 0.05) -> float:
    """The level of the look-th look (from 1) at one test set: in proportion to 1 / look^2, `alpha` in all, then 0.

    Each look tests another candidate on the same rows, so the looks are no accumulating experiment and the boundaries
    of group-sequential trials don't apply; a sum of levels bounds the chance of any false promotion however the looks
    depend on each other. Of 12 looks the first, which replaces the base model, gets 64% and the last 0.4%.
    """
    _require(look >= 1 and looks >= 1, f"looks are counted from 1, not look {look} of {looks}")
    _require(0 < alpha < 0.5, f"alpha must lie between 0 and 0.5, not {alpha}")
    if look > looks:
        return 0.0
    return alpha / look**2 / math.fsum(1 / number**2 for number in range(1, looks + 1))


def _wilson_low(successes: int, n: int, z: float) -> float:
    spread = successes * (n - successes) / n if n else 0.0
    return (successes + z * z / 2 - z * math.sqrt(spread + z * z / 4)) / (n + z * z)


def _corrected_phi(both: int, only_candidate: int, only_baseline: int, neither: int) -> float:
    """The correlation of paired scores, a positive one drawn towards 0 by n / 2 in its numerator; 0 if undefined."""
    ours, theirs = both + only_candidate, both + only_baseline
    n = ours + only_baseline + neither
    margins = ours * (n - ours) * theirs * (n - theirs)
    product = both * neither - only_candidate * only_baseline
    corrected = max(product - n / 2, 0) if product > 0 else product
    return corrected / math.sqrt(margins) if margins else 0.0


def _vector_sum(one: float, other: float, phi: float) -> float:
    return math.sqrt((one - other) ** 2 + 2 * (1 - phi) * one * other)  # never negative, unlike a^2 - 2 phi a b + b^2


def _two_sided_z(confidence: float) -> float:
    _require(0 < confidence < 1, f"confidence must lie between 0 and 1, not {confidence}")
    return NormalDist().inv_cdf((1 + confidence) / 2)


def _planning_z(discordance: float, alpha: float, power: float) -> tuple[float, float]:
    _require(0 <= discordance <= 1, f"discordance must lie between 0 and 1, not {discordance}")
    _require(0 < alpha < 0.5, f"alpha must lie between 0 and 0.5, not {alpha}")
    _require(0.5 <= power < 1, f"power must be at least 0.5 and below 1, not {power}")
    return NormalDist().inv_cdf(1 - alpha), NormalDist().inv_cdf(power)


def _share(part: int, n: int) -> float:
    _require(n > 0, "a share needs at least one row")
    return part / n


def _require_counts(*counts: int) -> None:
    _require(min(counts) >= 0, f"counts must be 0 or more, not {counts}")


def _require(holds: bool, rule: str) -> None:
    if not holds:
        raise ValueError(rule)
