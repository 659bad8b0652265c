"""Overfitting: told where the validation loss clearly rose, and not where it wobbles."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneloop.domain.training.jobs import RunEvent
from tuneloop.domain.training.runs import Overfitting, epoch_losses, overfitting

WOBBLE = st.floats(0.96, 1.04)


def losses(*values: float) -> dict[int, float]:
    return dict(enumerate(values, start=1))


def an_event(step: int, loss: float | None, total: int = 30) -> RunEvent:
    return RunEvent(id=str(step), message="step", step=step, total_steps=total, valid_loss=loss)


def test_a_loss_that_fell_and_rose_names_the_epoch_to_stop_after() -> None:
    assert overfitting(losses(0.9, 0.5, 0.6, 0.8)) == Overfitting(
        best_epoch=2, best_valid_loss=0.5, final_valid_loss=0.8
    )


@pytest.mark.parametrize(
    "curve",
    [(), (0.5,), (0.9, 0.5, 0.4), (0.5, 0.5, 0.5), (0.9, 0.5, 0.55), (0.01, 0.005, 0.02), (0.5, 0.9, 0.5)],
)
def test_a_loss_that_did_not_clearly_rise_is_no_overfitting(curve: tuple[float, ...]) -> None:
    assert overfitting(losses(*curve)) is None


@given(st.floats(0.001, 10), st.lists(WOBBLE, min_size=1, max_size=50))
def test_noise_around_a_level_is_no_overfitting(level: float, noise: list[float]) -> None:
    assert overfitting(losses(*(level * each for each in noise))) is None


@given(st.lists(st.floats(0.01, 10), min_size=1, max_size=20), WOBBLE)
def test_a_falling_loss_is_no_overfitting_however_it_wobbles_at_its_end(falls: list[float], wobble: float) -> None:
    curve = sorted(falls, reverse=True)

    assert overfitting(losses(*curve, curve[-1] * wobble)) is None


@given(st.floats(0.1, 10), st.floats(1.25, 10), st.lists(WOBBLE, min_size=2, max_size=20))
def test_a_clear_rise_is_told_through_any_noise(level: float, rise: float, noise: list[float]) -> None:
    curve = [level * each for each in noise[:-1]] + [level * rise * noise[-1]]

    assert overfitting(losses(*curve)) is not None


def test_the_loss_of_an_epoch_is_its_last_in_whatever_order_events_come() -> None:
    events = [an_event(step, 1 / step) for step in (30, 5, 10, 20, 15, 25)] + [an_event(29, None)]

    assert epoch_losses(events, 3) == {1: 1 / 10, 2: 1 / 20, 3: 1 / 30}


def test_without_the_number_of_epochs_or_of_steps_no_epoch_is_guessed() -> None:
    assert epoch_losses([an_event(5, 0.5)], None) == {}
    assert epoch_losses([an_event(5, 0.5).model_copy(update={"total_steps": None})], 3) == {}
