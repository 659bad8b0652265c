"""Mutants: each can still be made, in one place, and the tests about it exist."""

import pytest

from bench.mutants import MUTANTS, ROOT, Mutant, files_about, places_of

each_mutant = pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.fault)


@each_mutant
def test_a_mutant_is_made_in_one_place(mutant: Mutant) -> None:
    assert len(places_of(mutant, ROOT)) == 1


@each_mutant
def test_the_tests_about_a_mutant_exist(mutant: Mutant) -> None:
    assert files_about(mutant, ROOT)


def test_a_mutant_of_a_test_that_is_gone_is_refused() -> None:
    with pytest.raises(SystemExit, match="no test_nowhere"):
        files_about(MUTANTS[0]._replace(tests=("nowhere",)), ROOT)
