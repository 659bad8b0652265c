"""Hypothesis strategies of what a dataset may hold and how it may be exported."""

from hypothesis import strategies as st

from tests.examples import chat
from tuneloop.domain.datasets.policy import Policy

WORDS = ["parcel", "card", "refund", "late", "lost", "pin", "loan", "rate", "shop", "door", "note", "bill"]
LINES = st.lists(
    st.builds(
        lambda words, answer, ours: chat(f"Where is the {' '.join(words)}?", answer, **ours),
        st.lists(st.sampled_from(WORDS), min_size=2, max_size=5),
        st.sampled_from(["yes", "no"]),
        st.fixed_dictionaries(
            {},
            optional={
                "subject": st.sampled_from(["ann", "bob"]),
                "group": st.sampled_from(["g1", "g2", "g3"]),
                "split": st.sampled_from(["train", "test"]),
                "quality": st.sampled_from([0.5, 0.9]),
                "category": st.sampled_from(["a", "b"]),
                "created_at": st.sampled_from(["2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z"]),
            },
        ),
    ),
    min_size=3,
    max_size=40,
)
POLICIES = st.builds(Policy, max_per_subject=st.none() | st.integers(1, 4), conflicting=st.booleans())
