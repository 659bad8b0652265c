"""A tally: what was used, by the names of the price list, and which functions and metrics were at work."""

from dataclasses import dataclass, field

Amounts = dict[str, float]


@dataclass(frozen=True)
class Tally:
    """Quantities of one operation, or of a month of them; metrics are named `function/metric`."""

    amounts: Amounts = field(default_factory=dict)
    invocations: Amounts = field(default_factory=dict)
    metrics: Amounts = field(default_factory=dict)

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            _sum(self.amounts, other.amounts),
            _sum(self.invocations, other.invocations),
            _sum(self.metrics, other.metrics),
        )

    def __mul__(self, times: float) -> "Tally":
        scaled = ({name: amount * times for name, amount in part.items()} for part in self._parts())
        return Tally(*scaled)

    def more_than(self, other: "Tally") -> "Tally":
        """What this one has more than the other; nothing where it has less."""
        pairs = zip(self._parts(), (other * -1)._parts(), strict=True)
        return Tally(*({name: max(0.0, more) for name, more in _sum(*pair).items()} for pair in pairs))

    def __getitem__(self, name: str) -> float:
        return self.amounts.get(name, 0.0)

    def _parts(self) -> tuple[Amounts, Amounts, Amounts]:
        return self.amounts, self.invocations, self.metrics


def total(tallies: list[Tally]) -> Tally:
    """All of them together."""
    return sum(tallies, Tally())


def _sum(one: Amounts, other: Amounts) -> Amounts:
    return {name: one.get(name, 0.0) + other.get(name, 0.0) for name in one | other}
