"""The bounds that the figures have to keep, and whether they do."""

from collections.abc import Mapping
from operator import eq, ge, le
from typing import Any, NamedTuple

MET, MISSED, OPEN = "met", "MISSED", "not measured"
SIGNS = {">=": ge, "<=": le, "==": eq}


class Bound(NamedTuple):
    """A figure's bound: the least, the most, or the exact value that it may have."""

    figure: str
    sign: str
    value: float

    def verdict(self, figures: Mapping[str, Any]) -> str:
        """`MET`, `MISSED`, or `OPEN` where the figure was not measured."""
        figure = figures.get(self.figure)
        if figure is None:
            return OPEN
        return MET if SIGNS[self.sign](figure, self.value) else MISSED


REQUIRED = (
    Bound("validate_ratio_1", ">=", 5),
    Bound("validate_ratio_2", ">=", 9),
    Bound("banking77_validate_ratio_1", ">=", 5),
    Bound("banking77_validate_ratio_2", ">=", 9),
    Bound("peak_mb_200k", "<=", 120),
    Bound("peak_mb_200k_two", "<=", 120),
    Bound("peak_mb_1m", "<=", 120),
    Bound("peak_mb_1m_two", "<=", 120),
    Bound("token_mismatches", "==", 0),
    Bound("export_examples_per_s", ">=", 40_000),
    Bound("near_duplicate_ratio", "<=", 2),
    Bound("listing_cpu_s", "<=", 0.5),
)


def table(figures: Mapping[str, Any]) -> str:
    """The required figures, a line for each."""
    lines = [f"{'required':<32}{'':>12}{'measured':>12}"]
    for bound in REQUIRED:
        figure = figures.get(bound.figure)
        measured = "-" if figure is None else f"{figure:,}"
        lines.append(f"{bound.figure:<32}{bound.sign:>4}{bound.value:>8,}{measured:>12}  {bound.verdict(figures)}")
    return "\n".join(lines)


def is_missed(figures: Mapping[str, Any]) -> bool:
    """Whether a measured figure is out of its bound."""
    return any(bound.verdict(figures) == MISSED for bound in REQUIRED)
