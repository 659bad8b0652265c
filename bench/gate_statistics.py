"""The gate's statistics on many simulated test sets: `python -m bench.gate_statistics`.

Draws paired tables of known truth, and counts how often the tests err, detect and cover, beside what they promise. The
draws are seeded, so two runs agree. Nothing is timed and nothing can fail: the bounds that must hold stand in the unit
tests. Run it as a module: as a script its own folder would hide the standard library's `statistics`.
"""

import argparse
import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache

import numpy as np
from scipy.stats import binom
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from tuneloop.domain.evaluation.statistics import (
    Interval,
    PairedCounts,
    alpha_per_look,
    mid_p_mcnemar,
    newcombe_paired_interval,
    smallest_detectable_difference,
    wilson_interval,
)

ALPHA = 0.05
SIZES = (40, 100, 300, 1_000, 3_000)
DISCORDANCES = (0.05, 0.10, 0.20, 0.40)
SHARE_RIGHT = 0.8  # of the rows on which both agree; McNemar's tests don't depend on it, the interval does

Tables = Counter[PairedCounts]


def main() -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=20_000, help="test sets drawn for each line")
    parser.add_argument("--seed", type=int, default=2026)
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    small, large = (2 * math.sqrt(truth * (1 - truth) / arguments.repetitions) for truth in (0.05, 0.80))
    print(
        f"{arguments.repetitions:,} draws a line: two standard errors are {small:.4f} at 0.05, {large:.4f} at 0.80.\n"
    )
    print_errors(rng, arguments.repetitions)
    print_power(rng, arguments.repetitions)
    print_coverage(rng, arguments.repetitions)
    print_looks()
    print_oracle_gaps()


def print_errors(rng: np.random.Generator, repetitions: int) -> None:
    """Print how often each test calls one of two equal versions better, at one-sided 0.05."""
    lines = []
    for n, discordance in itertools.product(SIZES, DISCORDANCES):
        tables = draw(rng, n, discordance, 0.0, repetitions)
        lines.append((n, discordance, share(tables, proven), share(tables, proven_exactly)))
    show("False promotions of an equal version (promised: 0.05)", ("rows", "discordance", "mid-p", "exact"), lines)


def print_power(rng: np.random.Generator, repetitions: int) -> None:
    """Print how often each test detects the smallest difference that n rows are promised to detect."""
    lines = []
    for n, discordance in itertools.product(SIZES, DISCORDANCES):
        gain = smallest_detectable_difference(n, discordance)
        tables = draw(rng, n, discordance, gain, repetitions)
        lines.append((n, discordance, gain, share(tables, proven), share(tables, proven_exactly)))
    columns = ("rows", "discordance", "difference", "mid-p", "exact")
    show("Power at the smallest detectable difference (promised: 0.80)", columns, lines)


def print_coverage(rng: np.random.Generator, repetitions: int) -> None:
    """Print how often each end of the 90% interval misses the truth, and how often low end and test disagree."""
    lines = []
    for n, discordance in itertools.product(SIZES, DISCORDANCES):
        gain = min(discordance, smallest_detectable_difference(n, discordance))
        tables = draw(rng, n, discordance, gain, repetitions)
        too_high, too_low = misses(tables, gain)
        disagree = share(tables, lambda table: proven(table) != (interval(table).low > 0))
        lines.append((n, discordance, gain, 1 - too_high - too_low, too_high, too_low, disagree))
    columns = ("rows", "discordance", "difference", "covered", "too high", "too low", "p disagrees")
    show("Newcombe's interval (promised: 0.90 covered, 0.05 missed each side)", columns, lines)


def print_looks(n: int = 300, discordance: float = 0.10) -> None:
    """Print the alpha of a year's looks, and the difference that each detects, beside two other ways to share alpha."""
    lines = []
    for look in range(1, 13):
        schedules = (alpha_per_look(look), ALPHA / 2**look, ALPHA / 12)
        differences = (smallest_detectable_difference(n, discordance, level) for level in schedules)
        lines.append((look, *itertools.chain.from_iterable(zip(schedules, differences, strict=True))))
    columns = ("look", "1/look^2", "detects", "halving", "detects", "equal", "detects")
    show(f"Alpha of 12 looks at {n} rows, discordance {discordance}", columns, lines)


def print_oracle_gaps() -> None:
    """Print the largest differences from statsmodels, whose interval of independent arms is Newcombe's for phi = 0."""
    wilson = max(
        abs(ours - float(theirs))
        for n in (1, 7, 40, 300, 3_080)
        for successes in range(0, n + 1, max(1, n // 40))
        for ours, theirs in zip(
            wilson_interval(successes, n), proportion_confint(successes, n, method="wilson"), strict=True
        )
    )
    unrelated = [PairedCounts(4 * k, k, 4 * k, k) for k in range(1, 200)]
    newcombe = max(
        abs(ours - float(theirs))
        for table in unrelated
        for ours, theirs in zip(interval(table), independent_interval(table), strict=True)
    )
    show(
        "Largest difference from statsmodels", ("interval", "difference"), [("Wilson", wilson), ("Newcombe", newcombe)]
    )


def independent_interval(table: PairedCounts) -> tuple[float, float]:
    """Newcombe's 90% interval by statsmodels, as if the arms had answered different rows."""
    ours, theirs = table.both + table.only_candidate, table.both + table.only_baseline
    low, high = confint_proportions_2indep(ours, table.n, theirs, table.n, method="newcomb", alpha=0.10)
    return float(low), float(high)


def draw(rng: np.random.Generator, n: int, discordance: float, difference: float, repetitions: int) -> Tables:
    """Draw tables of n rows, and count how often each came up; a discordance below the difference is raised to it."""
    discordance = max(discordance, difference)
    same, alone = 1 - discordance, ((discordance + difference) / 2, (discordance - difference) / 2)
    rows = rng.multinomial(n, [same * SHARE_RIGHT, *alone, same * (1 - SHARE_RIGHT)], repetitions)
    return Counter(PairedCounts(*row) for row in rows.tolist())


def share(tables: Tables, holds: Callable[[PairedCounts], bool]) -> float:
    """The share of the drawn tables for which `holds` is true."""
    return sum(times for table, times in tables.items() if holds(table)) / tables.total()


def misses(tables: Tables, truth: float) -> tuple[float, float]:
    """The shares of the draws whose interval lies wholly above, and wholly below, the true difference."""
    return share(tables, lambda table: interval(table).low > truth), share(
        tables, lambda table: interval(table).high < truth
    )


def proven(table: PairedCounts) -> bool:
    """Whether the mid-p test calls the candidate better."""
    return mid_p(table.only_candidate, table.only_baseline) <= ALPHA


def proven_exactly(table: PairedCounts) -> bool:
    """Whether the exact conditional test calls the candidate better."""
    return exact_p(table.only_candidate, table.only_baseline) <= ALPHA


mid_p = cache(mid_p_mcnemar)


@cache
def exact_p(only_candidate: int, only_baseline: int) -> float:
    """The p-value of the exact one-sided McNemar test, by scipy."""
    return float(binom.sf(only_candidate - 1, only_candidate + only_baseline, 0.5))


@cache
def interval(table: PairedCounts) -> Interval:
    """The default interval of a table."""
    return newcombe_paired_interval(*table)


def show(title: str, columns: tuple[str, ...], lines: Iterable[tuple[object, ...]]) -> None:
    """Print one table under its title."""
    print(title)
    print("".join(f"{column:>13}" for column in columns))
    for line in lines:
        print("".join(f"{cell_text(cell):>13}" for cell in line))
    print()


def cell_text(cell: object) -> str:
    """A cell as text: figures with four decimals, those below 0.0001 with two significant digits."""
    if not isinstance(cell, float):
        return str(cell)
    return f"{cell:.4f}" if cell == 0 or cell >= 1e-4 else f"{cell:.1e}"


if __name__ == "__main__":
    main()
