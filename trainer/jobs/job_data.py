"""A job's data: the port through which jobs get their files and write their metrics, and errors of a file.

Jobs know nothing else about the wire by which they were created. The server passes each wire's adapter of this port to
the scheduler, which passes it on to the worker process.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from trainer.storage.home import Home
from trainer.storage.jobs import wire_of
from tuneloop.openai_wire.fine_tuning import FineTuningJob, JobError


class JobData(Protocol):
    """Where the jobs of one wire get their files from, and where they write their metrics.

    An adapter has no state, as it is pickled for the worker process: what it works on is passed to its methods.
    """

    def prepare_files(self, home: Home, job: FineTuningJob) -> JobError | None:
        """Put a job's files where the engine reads them, and check them; return the error of the first invalid file."""

    def write_metrics(self, home: Home, job: FineTuningJob) -> list[str]:
        """Write a job's metrics and return the names of the files; raise MetricsRefusedError if that is refused."""


JobDataByWire = Mapping[str, JobData]
"""The `JobData` of each wire, by the wire's name in `trainer.storage.jobs`."""


class MetricsRefusedError(Exception):
    """A job's metrics can't be written to the place that the job names; the message says why."""


class FileGoneError(Exception):
    """A file was deleted while its job waited; `param` is the field of the job that names the file."""

    def __init__(self, param: str, file_id: str) -> None:
        super().__init__(f"The file {file_id} no longer exists.")
        self.param = param


def job_data_of(by_wire: JobDataByWire, job: FineTuningJob) -> JobData:
    """Return the adapter of the wire by which a job was created."""
    return by_wire[wire_of(job.id)]


def job_file(home: Home, job: FineTuningJob, param: str) -> Path:
    """Return the path of a job's training or validation file; raise FileGoneError if it has been deleted."""
    file_id = str(getattr(job, param))
    path = home.files.path(file_id)
    if not path.exists():
        raise FileGoneError(param, file_id)
    return path


def file_error(param: str, reason: Exception) -> JobError:
    """Return the error of a job whose `training_file` or `validation_file` (`param`) is invalid."""
    role = param.replace("_", " ")
    return JobError(code=f"invalid_{param}", message=f"The job failed due to an invalid {role}. {reason}", param=param)
