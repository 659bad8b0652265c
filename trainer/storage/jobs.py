"""Fine-tuning jobs with their events and checkpoints.

A job's status moves only from statuses that the mover names, inside one transaction, so that a cancelled job stays
cancelled whatever its worker does next. The ids of events and checkpoints come from what happened, so that a step that
is repeated after a crash adds none. Bedrock's jobs are jobs like all others; only the list that OpenAI's wire shows
leaves them out.
"""

from collections.abc import Collection, Iterator
from typing import Any

from trainer.ids import id_for, now_s
from trainer.storage.bedrock import BEDROCK
from trainer.storage.rows import RowStore
from tuneloop.openai_wire.fine_tuning import OPEN_STATUSES, Checkpoint, FineTuningJob, JobEvent, StepMetrics

_JOB, _EVENT, _CHECKPOINT, _HELD, _CRASH = "job", "event", "checkpoint", "held", "crash"
OPENAI = ""


class Jobs:
    """The store of jobs, their events and checkpoints."""

    def __init__(self, rows: RowStore) -> None:
        self._rows = rows

    def add(self, job: FineTuningJob) -> None:
        """Keep a new job."""
        with self._rows.transaction():
            self._rows.add(_JOB, job.id, job.model_dump_json(), parent=wire_of(job.id))
            self.log(job.id, "created", f"Created fine-tuning job: {job.id}")

    def get(self, job_id: str) -> FineTuningJob | None:
        """Return a job."""
        body = self._rows.get(_JOB, job_id)
        return FineTuningJob.model_validate_json(body) if body else None

    def newest_first(self, *, after: str | None = None, wire: str = OPENAI) -> Iterator[FineTuningJob]:
        """Return the jobs of a wire that come after the job `after`, newest first."""
        bodies = self._rows.newest_first(_JOB, parent=wire, after=after)
        return (FineTuningJob.model_validate_json(body) for body in bodies)

    def next_in(self, *statuses: str) -> FineTuningJob | None:
        """Return the next job to work on: of the first of `statuses` that has any, the oldest that is not held."""
        jobs = [job for wire in (BEDROCK, OPENAI) for job in self.newest_first(wire=wire)]
        waiting = [job for job in reversed(jobs) if job.status in statuses and not self.is_held(job.id)]
        return min(waiting, key=lambda job: (statuses.index(job.status), job.created_at), default=None)

    def move(self, job_id: str, *, out_of: Collection[str] = OPEN_STATUSES, **changes: Any) -> FineTuningJob | None:
        """Change a job that is in one of the statuses `out_of`; return it changed, None where it was in none."""
        with self._rows.transaction():
            job = self.get(job_id)
            if job is None or job.status not in out_of:
                return None
            moved = job.model_copy(update=changes)
            self._rows.change(_JOB, job_id, moved.model_dump_json())
            return moved

    def log(
        self, job_id: str, step: str, message: str, *, level: str = "info", metrics: StepMetrics | None = None
    ) -> None:
        """Add an event, once for each `step`, the word for what happened."""
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
        """Return a job's events that come after the event `after`, newest first."""
        bodies = self._rows.newest_first(_EVENT, parent=job_id, after=after, limit=limit)
        return [JobEvent.model_validate_json(body) for body in bodies]

    def add_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Keep a checkpoint, once."""
        body = checkpoint.model_dump_json()
        self._rows.add(_CHECKPOINT, checkpoint.id, body, parent=checkpoint.fine_tuning_job_id)

    def checkpoints(self, job_id: str, *, after: str | None = None, limit: int = -1) -> list[Checkpoint]:
        """Return a job's checkpoints that come after the checkpoint `after`, newest first."""
        bodies = self._rows.newest_first(_CHECKPOINT, parent=job_id, after=after, limit=limit)
        return [Checkpoint.model_validate_json(body) for body in bodies]

    def hold(self, job_id: str) -> None:
        """Let nobody work on a job."""
        self._rows.add(_HELD, job_id, "{}")

    def release(self, job_id: str) -> None:
        """Let a held job be worked on again."""
        self._rows.remove(_HELD, job_id)

    def is_held(self, job_id: str) -> bool:
        """Say whether a job is held."""
        return self._rows.get(_HELD, job_id) is not None

    def count_crash(self, job_id: str, crash_id: str) -> int:
        """Note that a job's worker died, and return how often it has."""
        self._rows.add(_CRASH, crash_id, "{}", parent=job_id)
        return len(self._rows.newest_first(_CRASH, parent=job_id))


def wire_of(job_id: str) -> str:
    """Return the wire that a job came by, `OPENAI` or `BEDROCK`, which its id tells."""
    return BEDROCK if is_bedrocks(job_id) else OPENAI


def is_bedrocks(job_id: str) -> bool:
    """Say whether a job came over Bedrock's wire."""
    return job_id.startswith(f"{BEDROCK}-")
