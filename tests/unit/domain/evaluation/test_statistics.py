"""The gate's statistics against scipy, published tables, and their own promises."""

import math
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from tuneloop.domain.evaluation.statistics import (
    Interval,
    PairedCounts,
    alpha_per_look,
    mid_p_mcnemar,
    newcombe_paired_interval,
    rows_needed,
    smallest_detectable_difference,
    wilson_interval,
)

COUNTS = st.integers(0, 400)
TABLES = st.builds(PairedCounts, COUNTS, COUNTS, COUNTS, COUNTS)
CONFIDENCES = st.floats(0.5, 0.999)


def drawn_tables(n: int, discordance: float, difference: float, repetitions: int) -> Counter[PairedCounts]:
    """How often each table came up among `repetitions` seeded draws of n rows; the concordant ones are half right."""
    alone = ((discordance + difference) / 2, (discordance - difference) / 2)
    draws = np.random.default_rng(20260701).multinomial(
        n, [(1 - discordance) / 2, *alone, (1 - discordance) / 2], repetitions
    )
    return Counter(PairedCounts(*row) for row in draws.tolist())


def share_of(tables: Counter[PairedCounts], holds: Callable[[PairedCounts], bool]) -> float:
    """The share of drawn tables for which something holds."""
    return sum(times for table, times in tables.items() if holds(table)) / tables.total()


def test_scores_in_row_order_become_counts() -> None:
    candidate = [True, True, True, False, False, True]
    baseline = (score for score in [True, False, False, True, False, True])

    counts = PairedCounts.from_scores(candidate, baseline)

    assert counts == PairedCounts(both=2, only_candidate=2, only_baseline=1, neither=1)
    assert counts.n == 6
    assert counts.candidate_accuracy == pytest.approx(4 / 6)
    assert counts.baseline_accuracy == pytest.approx(3 / 6)
    assert counts.difference == pytest.approx(1 / 6)
    assert counts.discordance == pytest.approx(3 / 6)


@given(TABLES)
def test_the_difference_is_that_of_the_accuracies(counts: PairedCounts) -> None:
    if counts.n:
        assert counts.difference == pytest.approx(counts.candidate_accuracy - counts.baseline_accuracy)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: PairedCounts.from_scores([True], [True, False]), "each row needs two scores, not 1 against 2"),
        (lambda: PairedCounts.from_scores([0.5], [True]), "scores must be True or False"),  # type: ignore[list-item]
        (lambda: PairedCounts(0, 0, 0, 0).difference, "at least one row"),
        (lambda: wilson_interval(4, 3), "between 0 and n, not 4 of 3"),
        (lambda: wilson_interval(-1, 3), "between 0 and n, not -1 of 3"),
        (lambda: wilson_interval(0, -1), "between 0 and n, not 0 of -1"),
        (lambda: wilson_interval(1, 3, confidence=95), "confidence must lie between 0 and 1, not 95"),
        (lambda: mid_p_mcnemar(-1, 3), r"counts must be 0 or more, not \(-1, 3\)"),
        (lambda: newcombe_paired_interval(5, 1, -2, 5), r"counts must be 0 or more, not \(5, 1, -2, 5\)"),
        (lambda: newcombe_paired_interval(5, 1, 2, 5, confidence=1), "confidence must lie between 0 and 1, not 1"),
        (lambda: rows_needed(0, 0.2), "difference must be above 0 and at most 1, not 0"),
        (lambda: rows_needed(15, 0.2), "difference must be above 0 and at most 1, not 15"),
        (lambda: rows_needed(0.1, 1.2), "discordance must lie between 0 and 1, not 1.2"),
        (lambda: rows_needed(0.1, 0.2, alpha=0.5), "alpha must lie between 0 and 0.5, not 0.5"),
        (lambda: rows_needed(0.1, 0.2, power=80), "power must be at least 0.5 and below 1, not 80"),
        (lambda: smallest_detectable_difference(-5, 0.2), "counts must be 0 or more"),
        (lambda: alpha_per_look(0), "counted from 1, not look 0 of 12"),
        (lambda: alpha_per_look(1, looks=0), "counted from 1, not look 1 of 0"),
        (lambda: alpha_per_look(1, alpha=5), "alpha must lie between 0 and 0.5, not 5"),
    ],
)
def test_a_mistaken_call_is_told_what_would_be_right(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


@given(st.data(), st.integers(1, 100_000), CONFIDENCES)
def test_wilson_is_scipys(data: st.DataObject, n: int, confidence: float) -> None:
    successes = data.draw(st.integers(0, n))
    oracle = binomtest(successes, n).proportion_ci(confidence, method="wilson")

    interval = wilson_interval(successes, n, confidence)

    assert interval == pytest.approx((oracle.low, oracle.high), abs=1e-9)
    assert 0 <= interval.low <= successes / n <= interval.high <= 1


def test_wilson_ends_are_exact_at_none_and_all() -> None:
    assert wilson_interval(0, 7).low == 0
    assert wilson_interval(7, 7).high == 1
    assert wilson_interval(0, 0) == Interval(0, 1)


@given(st.integers(0, 50), st.integers(0, 50), st.integers(2, 20))
def test_wilson_narrows_with_more_rows_of_the_same_share(right: int, wrong: int, times: int) -> None:
    few = wilson_interval(right, right + wrong)
    many = wilson_interval(times * right, times * (right + wrong))

    assert many.high - many.low <= few.high - few.low


@given(st.integers(0, 5_000), st.integers(0, 5_000))
def test_mid_p_is_scipys_binomial_tail(only_candidate: int, only_baseline: int) -> None:
    law = binom(only_candidate + only_baseline, 0.5)
    oracle = law.sf(only_candidate) + law.pmf(only_candidate) / 2

    assert mid_p_mcnemar(only_candidate, only_baseline) == pytest.approx(oracle, rel=1e-9, abs=1e-200)


@given(COUNTS, COUNTS)
def test_mid_p_falls_with_each_row_won_and_mirrors_the_arms(ours: int, theirs: int) -> None:
    p = mid_p_mcnemar(ours, theirs)

    assert p + mid_p_mcnemar(theirs, ours) == pytest.approx(1)
    assert 0 < mid_p_mcnemar(ours + 1, theirs) <= p <= mid_p_mcnemar(ours, theirs + 1) <= 1


def test_mid_p_is_one_without_evidence_and_survives_overwhelming_evidence() -> None:
    assert mid_p_mcnemar(0, 0) == 0.5
    assert mid_p_mcnemar(8, 8) == pytest.approx(0.5)
    assert mid_p_mcnemar(20_000, 0) == 0
    assert mid_p_mcnemar(0, 20_000) == 1


def test_mid_p_errs_at_its_level_where_the_exact_test_wastes_a_quarter() -> None:
    tables = drawn_tables(n=200, discordance=0.2, difference=0, repetitions=4_000)

    mid_p = share_of(tables, lambda table: mid_p_mcnemar(table.only_candidate, table.only_baseline) <= 0.05)
    exact = share_of(
        tables,
        lambda table: binom.sf(table.only_candidate - 1, table.only_candidate + table.only_baseline, 0.5) <= 0.05,
    )

    assert mid_p == pytest.approx(0.0496, abs=0.007)  # by enumeration; two standard errors of 4,000 draws
    assert exact == pytest.approx(0.0369, abs=0.006)


@pytest.mark.parametrize(
    ("table", "published"),
    [
        # Newcombe (1998, Stat Med 17:2635-2650), method 10, as R's propint quotes them
        (PairedCounts(36, 12, 2, 0), (0.0569, 0.3404)),
        (PairedCounts(18, 12, 2, 18), (0.0562, 0.3290)),
        (PairedCounts(53, 0, 0, 1), (-0.0729, 0.0729)),
        (PairedCounts(0, 30, 0, 0), (0.8395, 1.0)),
        # Cavo et al. (2012) in R's contingencytables, the companion of Fagerland, Lydersen, Laake (2017)
        (PairedCounts(59, 6, 16, 80), (-0.1186, -0.0046)),
        # Altman et al. (2000), Statistics with Confidence, table 6.2, printed to three digits
        (PairedCounts(14, 5, 0, 22), (0.011, 0.226)),
    ],
)
def test_newcombe_gives_the_published_limits(table: PairedCounts, published: tuple[float, float]) -> None:
    digits = 3 if table.n == 41 else 4

    interval = newcombe_paired_interval(*table, confidence=0.95)

    assert tuple(round(limit, digits) for limit in interval) == published


@given(TABLES, CONFIDENCES)
def test_newcombe_holds_the_difference_and_mirrors_the_arms(table: PairedCounts, confidence: float) -> None:
    both, only_candidate, only_baseline, neither = table

    interval = newcombe_paired_interval(*table, confidence)
    swapped = newcombe_paired_interval(both, only_baseline, only_candidate, neither, confidence)

    assert swapped == pytest.approx((-interval.high, -interval.low))
    assert -1 <= interval.low <= interval.high <= 1
    assert table.n == 0 or interval.low <= table.difference <= interval.high


@given(TABLES, CONFIDENCES)
def test_newcombe_widens_with_confidence(table: PairedCounts, confidence: float) -> None:
    narrow = newcombe_paired_interval(*table, confidence=confidence / 2)
    wide = newcombe_paired_interval(*table, confidence=confidence)

    assert wide.low <= narrow.low <= narrow.high <= wide.high


def test_newcombe_knows_nothing_without_rows() -> None:
    assert newcombe_paired_interval(0, 0, 0, 0) == Interval(-1, 1)


def test_newcombe_covers_the_true_difference_about_nine_times_in_ten() -> None:
    tables = drawn_tables(n=200, discordance=0.2, difference=0.08, repetitions=1_000)

    not_below = share_of(tables, lambda table: newcombe_paired_interval(*table).high >= 0.08)
    not_above = share_of(tables, lambda table: newcombe_paired_interval(*table).low <= 0.08)

    assert not_below == pytest.approx(0.95, abs=0.02)
    assert not_above == pytest.approx(0.95, abs=0.02)


def test_rows_needed_is_connors_one_sided_example() -> None:
    # p01 = 0.45, p10 = 0.05, alpha 0.05, power 0.9: 23 pairs at powerandsamplesize.com, after Connor (1987)
    assert rows_needed(0.40, 0.50, alpha=0.05, power=0.9) == 23


@given(st.integers(4, 1_000_000), st.floats(0, 1), st.floats(0.001, 0.2), st.floats(0.5, 0.99))
def test_rows_and_differences_are_inverses(n: int, discordance: float, alpha: float, power: float) -> None:
    difference = smallest_detectable_difference(n, discordance, alpha, power)

    if difference < 1:
        assert rows_needed(difference, discordance, alpha, power) == n
        assert smallest_detectable_difference(n + 1, discordance, alpha, power) < difference
    else:
        assert rows_needed(1, discordance, alpha, power) >= n


@given(st.floats(0.01, 0.5), st.floats(0, 0.4), st.floats(0.001, 0.1))
def test_a_smaller_gain_a_noisier_pair_or_a_stricter_test_needs_more_rows(
    gain: float, noise: float, alpha: float
) -> None:
    rows = rows_needed(gain, noise, alpha)

    assert rows_needed(gain / 2, noise, alpha) > rows
    assert rows_needed(gain, noise + 0.1, alpha) >= rows
    assert rows_needed(gain, noise, alpha / 2) >= rows
    assert rows_needed(gain, noise, alpha, power=0.9) >= rows


def test_fewer_rows_than_the_test_could_ever_reject_on_detect_nothing() -> None:
    assert [smallest_detectable_difference(n, 0.1) for n in range(3)] == [1, 1, 1]
    assert smallest_detectable_difference(4, 0.1) < 1


@pytest.mark.parametrize(("n", "discordance"), [(40, 0.1), (300, 0.1), (1_000, 0.3)])
def test_the_smallest_detectable_difference_is_detected_four_times_in_five(n: int, discordance: float) -> None:
    difference = smallest_detectable_difference(n, discordance)
    tables = drawn_tables(n, max(discordance, difference), difference, repetitions=2_000)

    power = share_of(tables, lambda table: mid_p_mcnemar(table.only_candidate, table.only_baseline) <= 0.05)

    assert 0.78 <= power <= 0.88


@given(st.integers(1, 60), st.integers(1, 200), st.floats(0.001, 0.2))
def test_no_number_of_looks_spends_more_than_alpha(looks: int, taken: int, alpha: float) -> None:
    spent = math.fsum(alpha_per_look(look, looks, alpha) for look in range(1, taken + 1))

    assert spent <= alpha * (1 + 1e-12)
    assert taken < looks or spent == pytest.approx(alpha)


def test_the_first_look_gets_most_and_each_later_one_less_until_spent() -> None:
    levels = [alpha_per_look(look) for look in range(1, 15)]

    assert levels[0] == pytest.approx(0.64 * 0.05, abs=1e-3)
    assert levels == sorted(levels, reverse=True)
    assert levels[11] > 0
    assert levels[12:] == [0, 0]
    assert alpha_per_look(1, looks=1) == 0.05
