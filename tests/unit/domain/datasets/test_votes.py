"""Whose word counts: one trusted subject, two that agree, everybody; and nobody where they contradict each other."""

from datetime import UTC, datetime
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneloop.domain.datasets.votes import ReviewSource, TrustPolicy, Vote, anonymous_voter, verdict, voter_of

TRUSTED = {"boss", "chief"}


def votes(*said: tuple[str | None, str]) -> list[Vote]:
    at = datetime(2026, 11, 21, tzinfo=UTC)
    return [
        Vote(
            tenant="acme",
            dataset="support",
            unit="u",
            voter=voter_of("acme", subject) if subject else anonymous_voter(f"inference {number}"),
            is_subject=subject is not None,
            answer=answer,
            examples=[answer],
            inference="i",
            at=at,
        )
        for number, (subject, answer) in enumerate(said)
    ]


@pytest.mark.parametrize(
    ("trust", "said", "expected"),
    [
        (TrustPolicy.REVIEW, [("ann", "a")], None),
        (TrustPolicy.REVIEW, [("ann", "a"), ("bob", "a")], ("a", ReviewSource.AGREEMENT)),
        (TrustPolicy.REVIEW, [("ann", "a"), ("bob", "a"), ("cid", "b")], None),
        (TrustPolicy.REVIEW, [("boss", "a")], ("a", ReviewSource.TRUSTED)),
        (TrustPolicy.REVIEW, [("boss", "a"), ("ann", "b"), ("bob", "b")], ("a", ReviewSource.TRUSTED)),
        (TrustPolicy.REVIEW, [("boss", "a"), ("chief", "b")], None),
        (TrustPolicy.REVIEW, [(None, "a"), (None, "a")], None),
        (TrustPolicy.TRUSTED_SUBJECTS, [("ann", "a"), ("bob", "a")], None),
        (TrustPolicy.TRUSTED_SUBJECTS, [("boss", "a")], ("a", ReviewSource.TRUSTED)),
        (TrustPolicy.ALL, [(None, "a")], ("a", ReviewSource.ALL)),
        (TrustPolicy.ALL, [("ann", "a"), ("bob", "b")], None),
        (TrustPolicy.ALL, [("boss", "a"), ("bob", "b")], ("a", ReviewSource.TRUSTED)),
        (TrustPolicy.ALL, [], None),
    ],
)
def test_a_verdict_is_what_trust_says_of_the_votes(
    trust: TrustPolicy, said: list[tuple[str | None, str]], expected: tuple[str, ReviewSource] | None
) -> None:
    for order in permutations(votes(*said)):
        found = verdict(order, trust, TRUSTED)

        assert (found and (found.answer, found.judge)) == expected


@given(st.lists(st.tuples(st.sampled_from(["ann", "bob", "boss"]), st.sampled_from("ab")), max_size=6))
def test_more_trust_never_turns_an_answer_round(said: list[tuple[str | None, str]]) -> None:
    least, middle, most = (
        verdict(votes(*said), trust, TRUSTED)
        for trust in (TrustPolicy.TRUSTED_SUBJECTS, TrustPolicy.REVIEW, TrustPolicy.ALL)
    )

    for one, other in ((least, middle), (middle, most)):
        assert one is None or (other is not None and other.answer == one.answer)
