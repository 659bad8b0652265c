"""The metrics that a job reports: about a hundred times per run, and at the end of every epoch."""

import time

import numpy as np

from trainer.engine.training import EpochPlan, Learner, Score, TrainingStep
from trainer.ids import now_s
from tuneloop.openai_wire.fine_tuning import StepMetrics

# Each report is an event, and clients poll events: ten thousand steps must not make ten thousand of them.
REPORTS_PER_RUN = 100
# Validation examples that a report within an epoch scores, the next ones each time, since scoring all of them would
# slow training down. The report at the end of an epoch scores all.
HELD_OUT_PER_REPORT = 64


class Progress:
    """The progress of one run: the scores since its last report, and its pace."""

    def __init__(self, learner: Learner, plan: EpochPlan) -> None:
        self._learner = learner
        self._per_epoch = plan.steps_per_epoch(learner)
        self.total_steps = self._per_epoch * plan.epochs
        self._every = max(1, self.total_steps // REPORTS_PER_RUN)
        self._since_report: list[Score] = []
        self._started = time.monotonic()
        self._steps_taken = 0

    def watch(self, step: TrainingStep) -> StepMetrics | None:
        """Add the score of a step; return metrics if a report is due, else None."""
        self._since_report.append(step.score)
        self._steps_taken += 1
        within_epoch = (step.number - 1) % self._per_epoch + 1
        if within_epoch % self._every and not step.ends_epoch:
            return None
        train = _mean(self._since_report)
        self._since_report.clear()
        scores = {"train": train, **self._held_out_scores(step)}
        losses = {f"{name}_loss": round(score.loss, 5) for name, score in scores.items()}
        accuracy = self._learner.accuracy_name
        accuracies = {f"{name}_{accuracy}": round(score.accuracy, 5) for name, score in scores.items()}
        return StepMetrics.model_validate(
            {"step": step.number, "total_steps": self.total_steps, **losses, **accuracies}
        )

    def estimated_finish(self, step: TrainingStep) -> int:
        """Return when the run will end at its pace so far, in seconds since 1970."""
        pace = (time.monotonic() - self._started) / self._steps_taken
        return now_s() + round(pace * (self.total_steps - step.number))

    def _held_out_scores(self, step: TrainingStep) -> dict[str, Score]:
        count = self._learner.held_out_rows
        if not count:
            return {}
        rows = (np.arange(min(count, HELD_OUT_PER_REPORT)) + step.number * HELD_OUT_PER_REPORT) % count
        scores = {"valid": self._learner.score_held_out(rows)}
        if step.ends_epoch:
            scores["full_valid"] = self._learner.score_held_out()
        return scores


def message_of(metrics: StepMetrics) -> str:
    """Return the message of a report's event: the losses in one line."""
    figures = [
        ("training loss", metrics.train_loss),
        ("validation loss", metrics.valid_loss),
        ("full validation loss", metrics.full_valid_loss),
    ]
    losses = ", ".join(f"{name}={value:.2f}" for name, value in figures if value is not None)
    return f"Step {metrics.step}/{metrics.total_steps}: {losses}"


def _mean(scores: list[Score]) -> Score:
    return Score(*(float(mean) for mean in np.mean(scores, axis=0)))
