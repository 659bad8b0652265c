"""Groups: the same as walking from neighbour to neighbour, however the pairs come."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from tuneloop.domain.exports.splits import DisjointSets

KEYS = st.lists(st.lists(st.integers(0, 6), min_size=12, max_size=12), min_size=1, max_size=4)


def components(keys: Sequence[Sequence[int]], size: int) -> list[set[int]]:
    """Connected components the slow way: spread from each number to all that share a key with it."""
    found: list[set[int]] = []
    left = set(range(size))
    while left:
        reached = {min(left)}
        while (
            more := {other for one in reached for other in left for key in keys if key[one] and key[one] == key[other]}
            - reached
        ):
            reached |= more
        found.append(reached)
        left -= reached
    return found


@given(KEYS)
def test_a_chain_of_shared_keys_makes_one_group(keys: list[list[int]]) -> None:
    groups = DisjointSets(12)

    for each in keys:
        groups.union_equal(range(12), each)

    together = {number: min(each) for each in components(keys, 12) for number in each}
    assert [groups.find(number) for number in range(12)] == [together[number] for number in range(12)]


@given(KEYS, st.randoms(use_true_random=False))
def test_the_order_of_joining_changes_nothing(keys: list[list[int]], dice: object) -> None:
    one, other = DisjointSets(12), DisjointSets(12)
    shuffled = sorted(keys, key=lambda _: dice.random())  # type: ignore[attr-defined]

    for each in keys:
        one.union_equal(range(12), each)
    for each in shuffled:
        other.union_equal(reversed(range(12)), each)

    assert [one.find(number) for number in range(12)] == [other.find(number) for number in range(12)]


def test_zero_is_no_key_and_those_left_out_join_nobody() -> None:
    groups = DisjointSets(5)

    groups.union_equal([0, 1, 2, 3], [0, 0, 7, 7, 7])

    assert [groups.find(number) for number in range(5)] == [0, 1, 2, 2, 4]
