"""A job's data as the engine takes it: examples to learn from and to hold out, and the tokens that one epoch reads."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, cast

from trainer.engine.examples import Example, examples_in
from trainer.lines import lines_in
from trainer.state.home import Home
from trainer.tokens import tokens_in_line
from tuneloop.wire.fine_tuning import FineTuningJob


class FileGoneError(Exception):
    """A job's file was deleted while the job waited; `param` is its role in the job."""

    def __init__(self, param: str, file_id: str) -> None:
        super().__init__(f"The file {file_id} no longer exists.")
        self.param = param


@dataclass(frozen=True, slots=True)
class JobData:
    """Valid files, read."""

    examples: list[Example]
    held_out: list[Example]
    tokens_per_epoch: int

    @classmethod
    def read(cls, home: Home, job: FineTuningJob) -> Self:
        """Read a job's files, which validation has passed; raise FileGoneError where one is gone."""
        examples, tokens = _read(job_file(home, job, "training_file"))
        held_out, _ = _read(job_file(home, job, "validation_file")) if job.validation_file else ([], 0)
        return cls(examples, held_out, tokens)


def job_file(home: Home, job: FineTuningJob, param: str) -> Path:
    """Return where the bytes of a job's training or validation file are; raise FileGoneError where they are not."""
    file_id = str(getattr(job, param))
    path = home.files.path(file_id)
    if not path.exists():
        raise FileGoneError(param, file_id)
    return path


def _read(path: Path) -> tuple[list[Example], int]:
    examples: list[Example] = []
    tokens = 0
    for _, value in lines_in(path):
        line = cast("dict[str, Any]", value)
        examples.extend(examples_in(line))
        tokens += tokens_in_line(line)
    return examples, tokens
