"""Disjoint sets (union-find): what belongs together because a chain of shared keys leads from one to the other."""

from collections.abc import Iterable, Sequence


class DisjointSets:
    """The numbers 0..n-1 in sets; at first each is alone. A set is known by its smallest member."""

    def __init__(self, size: int) -> None:
        self._parent = list(range(size))

    def find(self, number: int) -> int:
        """The set of a number; the path to it is halved on the way, so that chains stay short."""
        parent = self._parent
        while parent[number] != number:
            parent[number] = parent[parent[number]]
            number = parent[number]
        return number

    def union(self, number: int, other: int) -> None:
        """Join the sets of two numbers."""
        number, other = self.find(number), self.find(other)
        if number < other:
            self._parent[other] = number
        elif other < number:
            self._parent[number] = other

    def union_equal(self, numbers: Iterable[int], keys: Sequence[int]) -> None:
        """Join the sets of the numbers that have the same key; 0 is no key."""
        first_of: dict[int, int] = {}
        for number in numbers:
            if key := keys[number]:
                first = first_of.setdefault(key, number)
                if first != number:
                    self.union(first, number)
