"""Names and derived ids: the same for the same, never the same for two, and nothing in them that could separate."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from tests.unit.factories import NAMES
from tuneloop.domain.core.errors import InvalidInput
from tuneloop.domain.core.ids import PATTERN, Name, checked_name, derived_id, digest, unit_interval

PARTS = st.lists(st.text(alphabet="ab:12", max_size=6), max_size=4)
NAMED: TypeAdapter[str] = TypeAdapter(Name)


@given(PARTS, PARTS)
def test_two_lists_of_parts_have_one_digest_only_if_they_are_equal(one: list[str], other: list[str]) -> None:
    assert (digest(*one) == digest(*other)) == (one == other)


@pytest.mark.parametrize(
    ("one", "other"), [(("ab",), ("a", "b")), (("a", ""), ("a",)), (("1:a",), ("a",)), ((), ("",))]
)
def test_a_part_can_not_pass_for_another(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    assert digest(*one) != digest(*other)


@given(st.lists(st.text(max_size=20), max_size=3))
def test_a_derived_id_is_a_name_and_always_the_same(parts: list[str]) -> None:
    made = derived_id("run", *parts)

    assert made == derived_id("run", *parts)
    assert re.fullmatch(r"run-[0-9a-f]{24}", made)
    assert NAMED.validate_python(made) == checked_name(made, "run") == made


@given(NAMES)
def test_a_name_is_given_back_as_it_is(name: str) -> None:
    assert checked_name(name, "dataset") == name


@given(st.text(max_size=70) | NAMES.map(lambda name: name + "\n"))
def test_a_path_and_a_body_take_the_same_names(text: str) -> None:
    try:
        NAMED.validate_python(text)
    except ValidationError:
        with pytest.raises(InvalidInput):
            checked_name(text, "dataset")
    else:
        assert checked_name(text, "dataset") == text


@pytest.mark.parametrize(
    "text", ["", "-a", "A", "a b", "a#b", "a/b", "a:b", "a.b", "ä", "a\n", "\na", "a" * 64, "..", "a_b", "\uff11"]
)
def test_a_name_with_anything_else_in_it_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="dataset must be 1-63 lower-case letters") as refusal:
        checked_name(text, "dataset")

    assert (refusal.value.param, refusal.value.code) == ("dataset", "invalid_name")


@given(NAMES)
def test_no_name_holds_a_separator(name: str) -> None:
    assert not set(name) & set("#/:. ")
    assert re.match(PATTERN, name)


@given(PARTS)
def test_a_unit_interval_is_fixed_by_its_parts_and_below_one(parts: list[str]) -> None:
    position = unit_interval(*parts)

    assert 0 <= position < 1
    assert position == unit_interval(*parts)


def test_a_unit_interval_spreads_evenly() -> None:
    positions = [unit_interval("salt", number) for number in range(4000)]

    tenths = [sum(step / 10 <= position < (step + 1) / 10 for position in positions) for step in range(10)]

    assert min(tenths) > 330
    assert max(tenths) < 470
