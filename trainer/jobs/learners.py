"""The learner of a job with its data: chosen by the job's method, and for a supervised job by its replies too."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, NamedTuple, TypeVar, cast

from trainer.engine.examples import PreferencePair, TrainingExample, read_examples, read_pair
from trainer.engine.linear import LinearModel
from trainer.engine.preferences import AUTO_BETA, PreferenceLearner
from trainer.engine.selection import learner_for, load_model
from trainer.engine.tokens import tokens_in_line, tokens_in_pair
from trainer.engine.training import Learner
from trainer.jobs.job_data import job_file
from trainer.jobs.training_lines import preference_fault, read_lines, supervised_fault
from trainer.storage.home import Home
from trainer.storage.models import base_model
from tuneloop.openai_wire.fine_tuning import FineTuningJob

DPO = "dpo"
RowT = TypeVar("RowT")


class LineFormat(NamedTuple, Generic[RowT]):
    """How the lines of a training method are read: as examples or pairs, and as so many tokens."""

    read: Callable[[Mapping[str, Any]], Iterable[RowT]]
    count_tokens: Callable[[Mapping[str, Any]], int]


SUPERVISED_LINES: LineFormat[TrainingExample] = LineFormat(read_examples, tokens_in_line)
PREFERENCE_LINES: LineFormat[PreferencePair] = LineFormat(lambda line: (read_pair(line),), tokens_in_pair)


class StartGoneError(Exception):
    """The model that a job starts from no longer exists, or is of a kind that can't be trained further."""


def method_of(job: FineTuningJob) -> str:
    """Return a job's method, `supervised` or `dpo`."""
    return str((job.method or {}).get("type", "supervised"))


def line_check_of(job: FineTuningJob) -> Callable[[object], str | None]:
    """Return the function that says which rule a line of a job's files breaks, or None for a valid line."""
    return preference_fault if method_of(job) == DPO else supervised_fault


def prepare_learner(home: Home, job: FineTuningJob) -> tuple[Learner, int]:
    """Read a job's files, which have been checked before, and return its learner and the tokens of one epoch."""
    if method_of(job) == DPO:
        pairs, held_out_pairs, tokens = _read_files(home, job, PREFERENCE_LINES)
        return PreferenceLearner(pairs, held_out_pairs, beta=beta_of(job), start=_starting_model(home, job)), tokens
    examples, held_out, tokens = _read_files(home, job, SUPERVISED_LINES)
    return learner_for(examples, held_out), tokens


def beta_of(job: FineTuningJob) -> float:
    """Return a preference job's beta: the larger, the closer the trained model stays to the one it starts from."""
    beta = (job.hyperparameters.model_extra or {}).get("beta", "auto")
    return AUTO_BETA if beta == "auto" else float(beta)


def _starting_model(home: Home, job: FineTuningJob) -> LinearModel | None:
    """Return the tuned model that a preference job starts from, or None for the base model."""
    if base_model(job.model):
        return None
    folder = home.models.folder(job.model)
    if not home.models.get(job.model) or not folder.exists():
        raise StartGoneError(f"The model {job.model} no longer exists.")
    model = load_model(folder)
    if not isinstance(model, LinearModel):
        raise StartGoneError(f"The model {job.model} answers openly: start from one whose answers repeat.")
    return model


def _read_files(home: Home, job: FineTuningJob, lines: LineFormat[RowT]) -> tuple[list[RowT], list[RowT], int]:
    """Return the rows of a job's training and validation file, and the tokens of its training file."""
    rows, tokens = _read_file(home, job, "training_file", lines)
    held_out = _read_file(home, job, "validation_file", lines)[0] if job.validation_file else []
    return rows, held_out, tokens


def _read_file(home: Home, job: FineTuningJob, param: str, lines: LineFormat[RowT]) -> tuple[list[RowT], int]:
    rows: list[RowT] = []
    tokens = 0
    for _, value in read_lines(job_file(home, job, param)):
        line = cast("dict[str, Any]", value)
        rows.extend(lines.read(line))
        tokens += lines.count_tokens(line)
    return rows, tokens
