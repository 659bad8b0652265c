"""Fine-tuning jobs with their events and checkpoints.

A job's status changes in one transaction, and only from the statuses that the caller names, so that a cancelled job
stays cancelled whatever its worker does next. The ids of events and checkpoints are derived from what happened, so that
a step that is repeated after a crash adds none. Bedrock's jobs are stored like all others; only the lists on OpenAI's
wire leave them out.
"""

from collections.abc import Collection, Iterator
from typing import Any

from trainer.ids import id_for, now_s
from trainer.storage.bedrock import BEDROCK
from trainer.storage.rows import RowStore
from tuneloop.openai_wire.fine_tuning import OPEN_STATUSES, Checkpoint, FineTuningJob, JobError, JobEvent, StepMetrics

_JOB, _EVENT, _CHECKPOINT, _HELD, _CRASH = "job", "event", "checkpoint", "held", "crash"
OPENAI = ""


class Jobs:
    """The store of jobs, their events and checkpoints."""

    def __init__(self, rows: RowStore) -> None:
        self._rows = rows

    def add(self, job: FineTuningJob) -> None:
        """Store a new job."""
        with self._rows.transaction():
            self._rows.add(_JOB, job.id, job.model_dump_json(), parent=wire_of(job.id))
            self.log(job.id, "created", f"Created fine-tuning job: {job.id}")

    def get(self, job_id: str) -> FineTuningJob | None:
        """Return a job, or None if there is none with this id."""
        body = self._rows.get(_JOB, job_id)
        return FineTuningJob.model_validate_json(body) if body else None

    def newest_first(self, *, after: str | None = None, wire: str = OPENAI) -> Iterator[FineTuningJob]:
        """Return the jobs of a wire, newest first; after the job `after` if that is given."""
        bodies = self._rows.newest_first(_JOB, parent=wire, after=after)
        return (FineTuningJob.model_validate_json(body) for body in bodies)

    def next_in(self, *statuses: str) -> FineTuningJob | None:
        """Return the oldest job in the first of `statuses` that has any, leaving out jobs on hold."""
        jobs = [job for wire in (BEDROCK, OPENAI) for job in self.newest_first(wire=wire)]
        waiting = [job for job in reversed(jobs) if job.status in statuses and not self.is_held(job.id)]
        return min(waiting, key=lambda job: (statuses.index(job.status), job.created_at), default=None)

    def move(self, job_id: str, *, out_of: Collection[str] = OPEN_STATUSES, **changes: Any) -> FineTuningJob | None:
        """Change a job that has one of the statuses `out_of`, and return it; None if it has none of them."""
        with self._rows.transaction():
            job = self.get(job_id)
            if job is None or job.status not in out_of:
                return None
            changed_job = job.model_copy(update=changes)
            self._rows.change(_JOB, job_id, changed_job.model_dump_json())
            return changed_job

    def fail(self, job_id: str, error: JobError) -> None:
        """End a job as failed, unless it has ended already."""
        with self._rows.transaction():
            if self.move(job_id, status="failed", error=error, finished_at=now_s(), estimated_finish=None):
                self.log(job_id, "failed", f"The job failed: {error.message}", level="error")

    def log(
        self, job_id: str, step: str, message: str, *, level: str = "info", metrics: StepMetrics | None = None
    ) -> None:
        """Add an event of a job; `step` names what happened, and a second event of the same step is not added."""
        event = JobEvent(
            id=id_for("ftevent", job_id, step),
            created_at=now_s(),
            level=level,
            message=message,
            type="metrics" if metrics else "message",
            data=metrics.model_dump(exclude_none=True) if metrics else None,
        )
        self._rows.add(_EVENT, event.id, event.model_dump_json(), parent=job_id)

    def events(self, job_id: str, *, after: str | None = None, limit: int = -1) -> list[JobEvent]:
        """Return a job's events, newest first; after the event `after` if that is given."""
        bodies = self._rows.newest_first(_EVENT, parent=job_id, after=after, limit=limit)
        return [JobEvent.model_validate_json(body) for body in bodies]

    def add_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Store a checkpoint, unless it is stored already."""
        body = checkpoint.model_dump_json()
        self._rows.add(_CHECKPOINT, checkpoint.id, body, parent=checkpoint.fine_tuning_job_id)

    def checkpoints(self, job_id: str, *, after: str | None = None, limit: int = -1) -> list[Checkpoint]:
        """Return a job's checkpoints, newest first; after the checkpoint `after` if that is given."""
        bodies = self._rows.newest_first(_CHECKPOINT, parent=job_id, after=after, limit=limit)
        return [Checkpoint.model_validate_json(body) for body in bodies]

    def hold(self, job_id: str) -> None:
        """Put a job on hold: nobody works on it until it is released."""
        self._rows.add(_HELD, job_id, "{}")

    def release(self, job_id: str) -> None:
        """Release a job from being on hold."""
        self._rows.remove(_HELD, job_id)

    def is_held(self, job_id: str) -> bool:
        """Whether a job is on hold."""
        return self._rows.get(_HELD, job_id) is not None

    def count_crash(self, job_id: str, crash_id: str) -> int:
        """Record that a worker of a job died, and return how many have so far."""
        self._rows.add(_CRASH, crash_id, "{}", parent=job_id)
        return len(self._rows.newest_first(_CRASH, parent=job_id))


def wire_of(job_id: str) -> str:
    """Return the wire by which a job was created, `OPENAI` or `BEDROCK`, according to its id."""
    return BEDROCK if is_bedrocks(job_id) else OPENAI


def is_bedrocks(job_id: str) -> bool:
    """Whether a job was created over Bedrock's wire."""
    return job_id.startswith(f"{BEDROCK}-")
