"""Groups: things that belong together because a chain of shared keys leads from one to the other (union-find)."""

from collections.abc import Iterable, Sequence


class DisjointSets:
    """Numbers 0..n-1 in groups; at first each is alone. A group is known by its smallest member."""

    def __init__(self, size: int) -> None:
        self._parent = list(range(size))

    def of(self, one: int) -> int:
        """The group of a number."""
        parent = self._parent
        while parent[one] != one:
            parent[one] = parent[parent[one]]
            one = parent[one]
        return one

    def join(self, one: int, other: int) -> None:
        """Make the groups of two numbers one."""
        one, other = self.of(one), self.of(other)
        if one < other:
            self._parent[other] = one
        elif other < one:
            self._parent[one] = other

    def join_equal(self, numbers: Iterable[int], keys: Sequence[int]) -> None:
        """Join the numbers that have the same key; 0 is no key."""
        first: dict[int, int] = {}
        for number in numbers:
            if key := keys[number]:
                known = first.setdefault(key, number)
                if known != number:
                    self.join(known, number)
