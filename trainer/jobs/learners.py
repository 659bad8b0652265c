"""The learner of a job, with its data: chosen by the job's method, and for a supervised one by its answers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from trainer.engine.examples import PreferencePair, TrainingExample, read_examples, read_pair
from trainer.engine.linear import LinearModel
from trainer.engine.preferences import AUTO_BETA, PreferenceLearner
from trainer.engine.selection import learner_for, load_model
from trainer.engine.tokens import tokens_in_line, tokens_in_pair
from trainer.engine.training import Learner
from trainer.jobs.job_data import job_file
from trainer.jobs.preference_lines import fault_in_pair
from trainer.jobs.training_lines import fault_in, lines_in
from trainer.storage.home import Home
from trainer.storage.models import base_model
from tuneloop.openai_wire.fine_tuning import FineTuningJob

DPO = "dpo"
T = TypeVar("T")


class StartGoneError(Exception):
    """The model that a job starts from is no longer there, or can't be started from."""


def method_of(job: FineTuningJob) -> str:
    """Return a job's method, `supervised` or `dpo`."""
    return str((job.method or {}).get("type", "supervised"))


def fault_finder(job: FineTuningJob) -> Callable[[object], str | None]:
    """Return the function that says what is wrong with one line of a job's files."""
    return fault_in_pair if method_of(job) == DPO else fault_in


def prepare_learner(home: Home, job: FineTuningJob) -> tuple[Learner, int]:
    """Read a job's files, which validation has passed, and return its learner and the tokens of one epoch."""
    if method_of(job) != DPO:
        examples, tokens = _read(home, job, "training_file", lambda line: list(read_examples(line)), tokens_in_line)
        held_out: list[TrainingExample] = []
        if job.validation_file:
            held_out, _ = _read(home, job, "validation_file", lambda line: list(read_examples(line)), tokens_in_line)
        return learner_for(examples, held_out), tokens
    pairs, tokens = _read(home, job, "training_file", lambda line: [read_pair(line)], tokens_in_pair)
    held_out_pairs: list[PreferencePair] = []
    if job.validation_file:
        held_out_pairs, _ = _read(home, job, "validation_file", lambda line: [read_pair(line)], tokens_in_pair)
    return PreferenceLearner(pairs, held_out_pairs, beta=beta_of(job), start=_starting_model(home, job)), tokens


def beta_of(job: FineTuningJob) -> float:
    """Return a preference job's beta: how strongly it is held to the model that it starts from."""
    beta = (job.hyperparameters.model_extra or {}).get("beta", "auto")
    return AUTO_BETA if beta == "auto" else float(beta)


def _starting_model(home: Home, job: FineTuningJob) -> LinearModel | None:
    """Return the tuned model that a preference job starts from, None for the base model."""
    if base_model(job.model):
        return None
    folder: Path = home.models.folder(job.model)
    if not home.models.get(job.model) or not folder.exists():
        raise StartGoneError(f"The model {job.model} no longer exists.")
    model = load_model(folder)
    if not isinstance(model, LinearModel):
        raise StartGoneError(f"The model {job.model} answers openly: start from one whose answers repeat.")
    return model


def _read(
    home: Home,
    job: FineTuningJob,
    param: str,
    read_line: Callable[[dict[str, Any]], list[T]],
    count_tokens: Callable[[dict[str, Any]], int],
) -> tuple[list[T], int]:
    rows: list[T] = []
    tokens = 0
    for _, value in lines_in(job_file(home, job, param)):
        line = cast("dict[str, Any]", value)
        rows.extend(read_line(line))
        tokens += count_tokens(line)
    return rows, tokens
