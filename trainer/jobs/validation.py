"""The first state of a job: its files are read and checked, and it is queued or it fails saying which line is wrong."""

from trainer.ids import now_s
from trainer.jobs.job_data import JobDataByWire, job_data_of
from trainer.storage.home import Home
from tuneloop.openai_wire.fine_tuning import FineTuningJob, JobError

_VALIDATING = frozenset({"validating_files"})


def validate_job(home: Home, job: FineTuningJob, data_by_wire: JobDataByWire) -> None:
    """Prepare and check a job's files, then queue the job or fail it."""
    error = job_data_of(data_by_wire, job).prepare_files(home, job)
    with home.rows.transaction():
        if error:
            fail_job(home, job.id, error)
        elif home.jobs.move(job.id, out_of=_VALIDATING, status="queued"):
            home.jobs.log(job.id, "validated", "Files validated, moving job to queued state")


def fail_job(home: Home, job_id: str, error: JobError) -> None:
    """End a job as failed, unless it has ended."""
    with home.rows.transaction():
        if home.jobs.move(job_id, status="failed", error=error, finished_at=now_s(), estimated_finish=None):
            home.jobs.log(job_id, "failed", f"The job failed: {error.message}", level="error")
