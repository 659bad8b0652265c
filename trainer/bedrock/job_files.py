"""The first phase of a customization job: its files are fetched from S3 and turned into the engine's own."""

from pathlib import Path

from trainer.bedrock.arns import region_in
from trainer.bedrock.base_models import Lines, base_named
from trainer.bedrock.s3 import StorageError, fetch, s3_of
from trainer.bedrock.training_lines import convert
from trainer.jobs.job_files import file_error
from trainer.jobs.training_lines import InvalidFileError
from trainer.storage.bedrock import Customization
from trainer.storage.home import Home
from tuneloop.openai_wire.fine_tuning import FineTuningJob, JobError

LEAST_TRAINING_EXAMPLES = 8  # Nova's minimum; Llama has none that matters


def fetched(home: Home, job: FineTuningJob, customization: Customization) -> JobError | None:
    """Fetch and convert a job's files; say what is wrong with the first bad one."""
    request = customization.request
    wanted = [("training_file", request["trainingDataConfig"]["s3Uri"], LEAST_TRAINING_EXAMPLES)]
    wanted += [("validation_file", uri, 1) for uri in customization.validation_uris]
    base = base_named(customization.base_id, region_in(customization.arn))
    for param, uri, at_least in wanted:
        home.jobs.log(job.id, param, f"Validating {param.replace('_', ' ')}")
        path = home.files.path(str(getattr(job, param)))
        try:
            fetch(s3_of(customization), uri, _raw(path))
            _convert(path, base.lines if base else Lines.CONVERSATION, at_least)
        except (StorageError, InvalidFileError) as why:
            return file_error(param, why)
        finally:
            _raw(path).unlink(missing_ok=True)
    return None


def _raw(path: Path) -> Path:
    return path.with_name(f".{path.name}.unfinished")


def _convert(path: Path, lines: Lines, at_least: int) -> None:
    with path.open("wb") as target:
        examples = convert(_raw(path), lines, target)
    if examples < at_least:
        raise InvalidFileError(f"The file has {examples} examples, but must have at least {at_least}.")
