"""A job's files: where their bytes are, and how a fault in one is told."""

from pathlib import Path

from trainer.storage.home import Home
from tuneloop.openai_wire.fine_tuning import FineTuningJob, JobError


class FileGoneError(Exception):
    """A job's file was deleted while the job waited; `param` is its role in the job."""

    def __init__(self, param: str, file_id: str) -> None:
        super().__init__(f"The file {file_id} no longer exists.")
        self.param = param


def job_file(home: Home, job: FineTuningJob, param: str) -> Path:
    """Return where the bytes of a job's training or validation file are; raise FileGoneError where they are not."""
    file_id = str(getattr(job, param))
    path = home.files.path(file_id)
    if not path.exists():
        raise FileGoneError(param, file_id)
    return path


def file_error(param: str, why: Exception) -> JobError:
    """Say what is wrong with a job's training or validation file."""
    role = param.replace("_", " ")
    return JobError(code=f"invalid_{param}", message=f"The job failed due to an invalid {role}. {why}", param=param)
