"""The first state of a job: its files are read and checked, and it is queued or it fails saying which line is wrong."""

from trainer.bedrock.job_files import fetched
from trainer.ids import now_s
from trainer.jobs.job_files import FileGoneError, file_error, job_file
from trainer.jobs.learners import fault_finder
from trainer.jobs.training_lines import LEAST_TRAINING_EXAMPLES, InvalidFileError, check_file
from trainer.storage.home import Home
from tuneloop.openai_wire.fine_tuning import FineTuningJob, JobError

_VALIDATING = frozenset({"validating_files"})


def validate(home: Home, job: FineTuningJob) -> None:
    """Check a job's files and move it on."""
    customization = home.bedrock.customization_of(job.id)
    error = fetched(home, job, customization) if customization else _first_error(home, job)
    with home.rows.transaction():
        if error:
            fail(home, job.id, error)
        elif home.jobs.move(job.id, out_of=_VALIDATING, status="queued"):
            home.jobs.log(job.id, "validated", "Files validated, moving job to queued state")


def fail(home: Home, job_id: str, error: JobError) -> None:
    """End a job as failed, unless it has ended."""
    with home.rows.transaction():
        if home.jobs.move(job_id, status="failed", error=error, finished_at=now_s(), estimated_finish=None):
            home.jobs.log(job_id, "failed", f"The job failed: {error.message}", level="error")


def _first_error(home: Home, job: FineTuningJob) -> JobError | None:
    at_least = {"training_file": LEAST_TRAINING_EXAMPLES}
    if job.validation_file:
        at_least["validation_file"] = 1
    for param, examples in at_least.items():
        home.jobs.log(job.id, param, f"Validating {param.replace('_', ' ')}: {getattr(job, param)}")
        try:
            check_file(job_file(home, job, param), fault_finder(job), at_least=examples)
        except (FileGoneError, InvalidFileError) as why:
            return file_error(param, why)
    return None
