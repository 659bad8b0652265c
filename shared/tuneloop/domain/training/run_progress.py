"""Listening: what was last new about a run, and when nothing new has come for so long that it is stuck.

New is another status, step, loss or number of trained tokens. A run is stuck when nothing was for two hours, or for
twice as long as its estimate says that training takes at most, if that is longer; it is over when something is.
"""

from datetime import datetime, timedelta

from tuneloop.domain.training.jobs import RunEvent
from tuneloop.domain.training.overfitting import epoch_losses, overfitting
from tuneloop.domain.training.runs import AT_PROVIDER, ControlledRun, RunStatus

TOLD = ("status", "provider_status", "step", "total_steps", "train_loss", "valid_loss", "trained_tokens")
LEAST_PATIENCE = timedelta(hours=2)


def with_heartbeat(before: ControlledRun, after: ControlledRun, now: datetime) -> ControlledRun:
    """A run with what was new about it, if anything was; then it is stuck no longer."""
    if all(getattr(before, name) == getattr(after, name) for name in TOLD):
        return after
    return after.model_copy(update={"last_heard_at": now, "last_heard": _words(after), "stuck_since": None})


def is_silent(run: ControlledRun, now: datetime) -> bool:
    """Whether nothing new has come from a run's provider for too long."""
    if run.status not in AT_PROVIDER:
        return False
    twice = timedelta(minutes=2 * (run.estimated_minutes or 0))
    heard_at = run.last_heard_at or run.started_at or run.created_at
    return now - heard_at >= max(LEAST_PATIENCE, twice)


def with_epoch_losses(run: ControlledRun, events: list[RunEvent], epochs: int | None) -> ControlledRun:
    """A run with the validation losses of its epochs, and at its end whether it was trained for too long."""
    chosen = run.hyperparameters.get("n_epochs")
    found = epoch_losses(events, epochs or (chosen if isinstance(chosen, int) else None))
    losses = {**run.epoch_losses, **{str(epoch): loss for epoch, loss in found.items()}}
    over = overfitting({int(epoch): loss for epoch, loss in losses.items()})
    judged = over if run.status == RunStatus.SUCCEEDED else None
    return run.model_copy(update={"epoch_losses": losses, "overfitting": judged})


def _words(run: ControlledRun) -> str:
    said: list[str] = [run.provider_status or run.status.value]
    if run.step is not None:
        said.append(f"step {run.step}" + (f" of {run.total_steps}" if run.total_steps else ""))
    said += [f"train loss {run.train_loss:.4g}"] if run.train_loss is not None else []
    said += [f"validation loss {run.valid_loss:.4g}"] if run.valid_loss is not None else []
    said += [f"{run.trained_tokens:,} trained tokens"] if run.trained_tokens is not None else []
    return ", ".join(said)
