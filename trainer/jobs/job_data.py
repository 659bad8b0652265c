"""A job's data on its wire: the port by which jobs get their files and leave their metrics, and faults in a file.

Jobs know nothing else of the wire that they came by: the server hands each wire's side of this port to the scheduler,
which hands it on to the worker process.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from trainer.storage.home import Home
from trainer.storage.jobs import wire_of
from tuneloop.openai_wire.fine_tuning import FineTuningJob, JobError


class JobData(Protocol):
    """Where the jobs of one wire get their files, and where they leave their metrics.

    It is pickled on its way to a worker process, so it holds nothing: what it works on is passed in.
    """

    def prepare_files(self, home: Home, job: FineTuningJob) -> JobError | None:
        """Have a job's files where the engine reads them, checked; return what is wrong with the first bad one."""

    def write_metrics(self, home: Home, job: FineTuningJob) -> list[str]:
        """Write a finished job's metrics, and return the names of what was written; MetricsRefusedError."""


JobDataByWire = Mapping[str, JobData]
"""One `JobData` for each wire, by the wire's name in `trainer.storage.jobs`."""


class MetricsRefusedError(Exception):
    """The place for a job's metrics does not take them; the message says why."""


class FileGoneError(Exception):
    """A job's file was deleted while the job waited; `param` is its role in the job."""

    def __init__(self, param: str, file_id: str) -> None:
        super().__init__(f"The file {file_id} no longer exists.")
        self.param = param


def job_data_of(by_wire: JobDataByWire, job: FineTuningJob) -> JobData:
    """Return the side of the wire that a job came by."""
    return by_wire[wire_of(job.id)]


def job_file(home: Home, job: FineTuningJob, param: str) -> Path:
    """Return where the bytes of a job's training or validation file are; raise FileGoneError where they are not."""
    file_id = str(getattr(job, param))
    path = home.files.path(file_id)
    if not path.exists():
        raise FileGoneError(param, file_id)
    return path


def file_error(param: str, why: Exception) -> JobError:
    """Return the error of a job whose training or validation file is bad: `param` names the file's role."""
    role = param.replace("_", " ")
    return JobError(code=f"invalid_{param}", message=f"The job failed due to an invalid {role}. {why}", param=param)
