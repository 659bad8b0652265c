"""Run progress: what a provider's events tell of a run: steps, losses, overfitting, and whether it has gone silent.

A heartbeat is another status, step, loss or number of trained tokens. A run is stuck after two hours without one, or
after twice the longest time that its estimate gives for training, if that is longer; the next heartbeat ends that.
"""

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from tuneloop.domain.training.jobs import RunEvent
from tuneloop.domain.training.runs import AT_PROVIDER, ControlledRun, Overfitting, RunStatus

HEARTBEAT_FIELDS = (
    *("status", "provider_status", "step", "total_steps", "train_loss", "valid_loss", "trained_tokens"),
)
# Jobs without an estimate get two hours: providers queue for long, and a false alarm teaches people to ignore it.
LEAST_PATIENCE = timedelta(hours=2)
# A loss wobbles from epoch to epoch. Only a rise of more than 10%, and of more than 0.02, counts as overfitting: losses
# that go up and down by 4% around what they are can't reach that.
CLEAR_RISE = 1.10
LEAST_RISE = 0.02
FEWEST_EPOCHS = 2
LONG_AGO = datetime.min.replace(tzinfo=UTC)  # sorts events without a time before all others


def merge_events(run: ControlledRun, events: list[RunEvent]) -> ControlledRun:
    """The run with its latest step, losses and progress (0-1) from the provider's events, in any order."""
    news: dict[str, Any] = {}
    for event in sorted(events, key=lambda event: (event.step or 0, event.at or LONG_AGO)):
        for name in ("step", "total_steps", "train_loss", "valid_loss"):
            if (value := getattr(event, name)) is not None:
                news[name] = value
    if run.is_open and news.get("step") and news.get("total_steps"):
        news["progress"] = min(1.0, news["step"] / news["total_steps"])
    return run.model_copy(update=news)


def with_heartbeat(before: ControlledRun, after: ControlledRun, now: datetime) -> ControlledRun:
    """The run `after` a report, with the time and words of the heartbeat if there was one; it is then not stuck."""
    if all(getattr(before, name) == getattr(after, name) for name in HEARTBEAT_FIELDS):
        return after
    return after.model_copy(update={"last_heard_at": now, "last_heard": _describe(after), "stuck_since": None})


def is_silent(run: ControlledRun, now: datetime) -> bool:
    """Whether a run that is at its provider has had no heartbeat for too long."""
    if run.status not in AT_PROVIDER:
        return False
    twice = timedelta(minutes=2 * (run.estimated_minutes or 0))
    last_heartbeat = run.last_heard_at or run.started_at or run.created_at
    return now - last_heartbeat >= max(LEAST_PATIENCE, twice)


def with_epoch_losses(run: ControlledRun, events: list[RunEvent], epochs: int | None) -> ControlledRun:
    """The run with the validation losses of its epochs; once it has succeeded, also whether it overfitted."""
    chosen = run.hyperparameters.get("n_epochs")
    reported = epoch_losses(events, epochs or (chosen if isinstance(chosen, int) else None))
    losses = {**run.epoch_losses, **{str(epoch): loss for epoch, loss in reported.items()}}
    overfit = overfitting({int(epoch): loss for epoch, loss in losses.items()})
    is_over = run.status == RunStatus.SUCCEEDED
    return run.model_copy(update={"epoch_losses": losses, "overfitting": overfit if is_over else None})


def epoch_losses(events: Iterable[RunEvent], epochs: int | None) -> dict[int, float]:
    """The last validation loss of each epoch (from 1) in a job's events; empty where nobody knows how many epochs."""
    last: dict[int, tuple[int, float]] = {}
    for event in events:
        if epochs is None or event.valid_loss is None or not event.step or not event.total_steps:
            continue
        epoch = min(epochs, math.ceil(epochs * event.step / event.total_steps))
        if epoch not in last or event.step >= last[epoch][0]:
            last[epoch] = event.step, event.valid_loss
    return {epoch: loss for epoch, (_, loss) in sorted(last.items())}


def overfitting(losses: Mapping[int, float]) -> Overfitting | None:
    """The overfitting that the validation losses by epoch show: a loss that fell and then clearly rose; else None."""
    if len(losses) < FEWEST_EPOCHS:
        return None
    best = min(losses, key=lambda epoch: (losses[epoch], epoch))
    lowest, final = losses[best], losses[max(losses)]
    if final <= lowest * CLEAR_RISE or final - lowest <= LEAST_RISE:
        return None
    return Overfitting(best_epoch=best, best_valid_loss=lowest, final_valid_loss=final)


def _describe(run: ControlledRun) -> str:
    words: list[str] = [run.provider_status or run.status.value]
    if run.step is not None:
        words.append(f"step {run.step}" + (f" of {run.total_steps}" if run.total_steps else ""))
    words += [f"train loss {run.train_loss:.4g}"] if run.train_loss is not None else []
    words += [f"validation loss {run.valid_loss:.4g}"] if run.valid_loss is not None else []
    words += [f"{run.trained_tokens:,} trained tokens"] if run.trained_tokens is not None else []
    return ", ".join(words)
