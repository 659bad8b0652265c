"""Reviews' rows: many decisions in few of them, as they were taken, and none without the dataset that they changed."""

from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.factories import NOW, a_dataset
from tuneloop.app import App
from tuneloop.domain.core.errors import Stale
from tuneloop.domain.core.limits import REVIEWS_AT_ONCE
from tuneloop.domain.datasets.reviews import Review, Status, decision_of
from tuneloop.store.repositories.reviews import COMMIT_BYTES, batches

numbers = count()
REVIEWS = st.builds(
    Review,
    example=st.sampled_from(["a" * 64, "b" * 64, "c" * 64]),
    number=st.integers(1, 9),
    revision=st.just(1),
    reviewer=st.just("anna"),
    created_at=st.just(NOW),
    status=st.none() | st.sampled_from(Status),
    quality=st.none() | st.floats(0, 1),
    category=st.none() | st.text(min_size=1, max_size=9),
    line=st.none() | st.just('{"id":"x","content":{"a":"\\" ü"}}'),
    note=st.none() | st.text(max_size=9),
)


def a_review(example: str = "a" * 64, number: int = 1, **changes: Any) -> Review:
    return Review(example, number, 1, "anna", NOW, Status.APPROVED)._replace(**changes)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=10)
@given(taken=st.lists(REVIEWS, min_size=1, max_size=6))
def test_what_was_decided_is_read_as_it_was_taken(app: App, taken: list[Review]) -> None:
    dataset = a_dataset(id=f"d{next(numbers)}")
    app.datasets.create(dataset, None)

    app.reviews.add(taken, dataset.with_review(NOW).model_copy(update={"seq": 1}))

    assert list(app.reviews.in_order("acme", dataset.id, 1)) == taken
    assert list(app.reviews.in_order("acme", dataset.id, 0)) == []
    decisions = app.reviews.decisions("acme", dataset.id, 1)
    for example in {review.example for review in taken}:
        history = [review for review in taken if review.example == example]
        assert app.reviews.of("acme", dataset.id, 1, example) == history
        assert decisions[example.encode()] == decision_of(history)


def test_decisions_are_not_stored_on_a_dataset_that_changed_meanwhile(app: App) -> None:
    app.datasets.create(a_dataset(), None)
    seen = app.datasets.get("acme", "support")
    app.reviews.add([a_review()], seen.with_review(NOW))

    with pytest.raises(Stale):
        app.reviews.add([a_review("b" * 64)], seen.with_review(NOW))

    assert [review.example for review in app.reviews.all("acme", "support", 9)] == ["a" * 64]
    assert app.datasets.get("acme", "support").revision == 1


def test_only_what_came_since_a_revision_is_read_again(app: App) -> None:
    app.datasets.create(a_dataset(), None)
    for number in range(1, 4):
        dataset = app.datasets.get("acme", "support").with_review(NOW + timedelta(seconds=number))
        app.reviews.add([a_review(number=number, revision=number)], dataset)

    assert [review.number for review in app.reviews.in_order("acme", "support", 3, since=1)] == [2, 3]
    assert [review.number for review in app.reviews.in_order("acme", "support", 2)] == [1, 2]


def test_decisions_are_stored_in_parts_that_a_transaction_takes() -> None:
    small = [a_review(f"{number:064}") for number in range(2 * REVIEWS_AT_ONCE + 1)]
    large = [a_review(f"{number:064}", line=f'"{"x" * 200_000}"') for number in range(20)]

    assert [len(batch) for batch in batches(small)] == [REVIEWS_AT_ONCE, REVIEWS_AT_ONCE, 1]
    parts = list(batches(large))
    assert [review for batch in parts for review in batch] == large
    assert all(sum(len(review.line or "") for review in batch) < COMMIT_BYTES for batch in parts)
    assert list(batches([])) == []
