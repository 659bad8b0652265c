"""The registry's decisions: each one step, and each one to be undone."""

from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.unit.factories import NOW, SECOND, a_deployment
from tuneloop.domain.core.errors import Conflict
from tuneloop.domain.serving.models import Deployment, new_model, with_rollback, with_share, with_stable

LATER = NOW + SECOND
NUMBERS = st.integers(0, 4)
MOVES = st.lists(st.tuples(st.sampled_from(["activate", "share", "roll back"]), NUMBERS, st.floats(0, 1)), max_size=12)


def moved(old: Deployment, move: str, number: int, share: float, now: datetime = LATER) -> Deployment:
    """The deployment after a decision; the same one where it is refused."""
    try:
        if move == "activate":
            return with_stable(old, number, "why", now)
        return with_share(old, number, share, "why", now) if move == "share" else with_rollback(old, "why", now)
    except Conflict:
        return old


def test_a_new_model_is_its_base_and_nothing_else() -> None:
    model, base, deployment = new_model("acme", "support", "trainer", "base-1", NOW)

    assert (model.id, model.latest_version, base.number, deployment.stable) == ("support", 0, 0, 0)
    assert (base.provider_model, base.is_finetuned, deployment.candidate) == ("base-1", False, None)
    assert {model.tenant, base.tenant, deployment.tenant} == {"acme"}


def test_an_activated_version_answers_all_and_the_old_one_is_remembered() -> None:
    new = with_stable(a_deployment(stable=3, candidate=4, share=0.2), 4, "Better.", LATER)

    assert (new.stable, new.candidate, new.share, new.previous) == (4, None, 0.0, 3)
    assert (new.step, new.reason, new.changed_at) == (1, "Better.", LATER)


def test_activating_what_is_stable_already_changes_nothing() -> None:
    old = a_deployment(stable=3)

    assert with_stable(old, 3, "Again.", LATER) is old


def test_activating_the_stable_version_ends_a_trial_and_keeps_the_previous() -> None:
    trial = a_deployment(stable=3, previous=2, candidate=4, share=0.2)

    kept = with_stable(trial, 3, "Enough.", LATER)

    assert (kept.stable, kept.candidate, kept.previous) == (3, None, 2)
    assert with_rollback(kept, "Worse.", LATER).stable == 2


@pytest.mark.parametrize(("version", "is_said"), [(0, True), (3, True), (4, False)])
def test_the_reason_says_where_the_trial_of_another_version_ends(version: int, is_said: bool) -> None:
    trial = a_deployment(stable=3, candidate=4, share=0.2)

    reason = with_stable(trial, version, "Better.", LATER).reason

    assert reason == ("Better. (The trial of version 4 was ended by this.)" if is_said else "Better.")


def test_a_rollback_takes_the_candidate_off_first() -> None:
    trial = a_deployment(stable=3, previous=2, candidate=4, share=0.2)

    once = with_rollback(trial, "Worse.", LATER)
    twice = with_rollback(once, "Still worse.", LATER)

    assert (once.stable, once.candidate, once.share, once.previous) == (3, None, 0.0, 2)
    assert (twice.stable, twice.previous, twice.step) == (2, None, 2)


def test_there_is_an_end_to_rolling_back() -> None:
    with pytest.raises(Conflict, match="nothing to roll back to") as refusal:
        with_rollback(a_deployment(stable=3), "Worse.", LATER)

    assert refusal.value.code == "no_previous"


@given(NUMBERS, NUMBERS)
def test_a_rollback_undoes_an_activation(stable: int, version: int) -> None:
    old = a_deployment(stable=stable)
    new = with_stable(old, version, "Better.", LATER)

    if new is not old:
        assert with_rollback(new, "Worse.", LATER).stable == stable


def test_a_candidate_must_be_another_version() -> None:
    with pytest.raises(Conflict, match="Version 3 is stable already") as refusal:
        with_share(a_deployment(stable=3), 3, 0.2, "Try it.", LATER)

    assert refusal.value.param == "candidate"


def test_the_salt_lives_as_long_as_the_candidate() -> None:
    first = with_share(a_deployment(), 4, 0.2, "Try it.", LATER)
    more = with_share(first, 4, 0.5, "Go on.", LATER)
    other = with_share(more, 5, 0.5, "Try another.", LATER)
    again = with_share(with_share(other, None, 0.0, "Stop.", LATER), 4, 0.2, "Try it again.", LATER)

    assert first.salt == more.salt != ""
    assert len({first.salt, other.salt, again.salt}) == 3


def test_the_trials_of_two_models_draw_different_users() -> None:
    here = with_share(a_deployment(), 4, 0.2, "Try it.", LATER)
    there = with_share(a_deployment(model="sales"), 4, 0.2, "Try it.", LATER)

    assert here.salt != there.salt


def test_no_candidate_ends_the_trial() -> None:
    ended = with_share(a_deployment(candidate=4, share=0.5), None, 0.5, "Stop.", LATER)

    assert (ended.candidate, ended.share) == (None, 0.0)


@given(MOVES)
def test_every_decision_is_one_step_and_leaves_a_sound_deployment(
    moves: list[tuple[str, int, float]],
) -> None:
    old = a_deployment()
    for move in moves:
        new = moved(old, *move)
        changes = new.model_dump(exclude={"step", "changed_at", "reason"}) != old.model_dump(
            exclude={"step", "changed_at", "reason"}
        )
        assert new.step - old.step in (0, 1)
        assert new.step > old.step or not changes
        assert new.stable not in (new.candidate, new.previous)
        assert new.candidate is not None or new.share == 0
        assert Deployment.model_validate(new.model_dump()) == new
        old = new


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_outside_of_0_to_1_is_refused(share: Any) -> None:
    with pytest.raises(ValidationError):
        Deployment(tenant="acme", model="support", share=share, changed_at=NOW)
