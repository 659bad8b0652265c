"""The data of customization jobs in S3: files are downloaded and converted for the engine, metrics are uploaded.

Source of the metrics' paths: Bedrock's user guide, "Analyze the results of a model customization job", and the folder
that its jobs really write to. Steps and epochs count from 0; perplexity is e to the power of the loss.
"""

import csv
import io
import math
from collections.abc import Callable, Iterable
from pathlib import Path

from trainer.bedrock.arns import region_in
from trainer.bedrock.base_models import Lines, base_named
from trainer.bedrock.job_status import reports
from trainer.bedrock.s3 import StorageError, fetch, put, s3_of
from trainer.bedrock.training_lines import convert_file
from trainer.jobs.job_data import MetricsRefusedError, file_error
from trainer.jobs.training_lines import InvalidFileError
from trainer.storage.home import Home
from tuneloop.openai_wire.fine_tuning import FineTuningJob, JobError, StepMetrics

LEAST_TRAINING_EXAMPLES = 8  # Nova's minimum; Llama has none that matters
TRAINING_METRICS = "training_artifacts/step_wise_training_metrics.csv"
VALIDATION_METRICS = "validation_artifacts/post_fine_tuning_validation/validation/validation_metrics.csv"


class S3JobData:
    """Bedrock's adapter of the port `JobData`."""

    def prepare_files(self, home: Home, job: FineTuningJob) -> JobError | None:
        """Download a job's files with its role, check them, and convert their lines to the engine's."""
        customization = home.bedrock.customization_of(job.id)
        training_uri = customization.request["trainingDataConfig"]["s3Uri"]
        sources = [("training_file", training_uri, LEAST_TRAINING_EXAMPLES)]
        sources += [("validation_file", uri, 1) for uri in customization.validation_uris]
        base = base_named(customization.base_id, region_in(customization.arn))
        for param, uri, at_least in sources:
            home.jobs.log(job.id, param, f"Validating {param.replace('_', ' ')}")
            path = home.files.path(str(getattr(job, param)))
            raw = path.with_name(f".{path.name}.unfinished")
            try:
                fetch(s3_of(customization), uri, raw)
                _convert(raw, path, base.lines if base else Lines.CONVERSATION, at_least)
            except (StorageError, InvalidFileError) as error:
                return file_error(param, error)
            finally:
                raw.unlink(missing_ok=True)
        return None

    def write_metrics(self, home: Home, job: FineTuningJob) -> list[str]:
        """Write a job's losses, a row per report, below its output folder, and return the URIs of the objects."""
        metrics = reports(home, job)
        epochs = job.hyperparameters.n_epochs
        per_epoch = (metrics[-1].total_steps or metrics[-1].step) // (epochs if isinstance(epochs, int) else 1)
        tables = {TRAINING_METRICS: _csv("training_loss", metrics, per_epoch, lambda report: report.train_loss)}
        if job.validation_file:
            losses = _csv("validation_loss", metrics, per_epoch, lambda report: report.full_valid_loss)
            tables[VALIDATION_METRICS] = losses
        customization = home.bedrock.customization_of(job.id)
        output = str(customization.request["outputDataConfig"]["s3Uri"]).rstrip("/")
        folder = f"{output}/model-customization-job-{customization.id}"
        try:
            client = s3_of(customization)
            return [put(client, folder, path, content) for path, content in tables.items()]
        except StorageError as error:
            raise MetricsRefusedError(str(error)) from None


def _convert(raw: Path, path: Path, lines: Lines, at_least: int) -> None:
    with path.open("wb") as target:
        examples = convert_file(raw, lines, target)
    if examples < at_least:
        raise InvalidFileError(f"The file has {examples} examples, but must have at least {at_least}.")


def _csv(
    column: str, metrics: Iterable[StepMetrics], per_epoch: int, loss_of: Callable[[StepMetrics], float | None]
) -> bytes:
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow(("step_number", "epoch_number", column, "perplexity"))
    for report in metrics:
        loss = loss_of(report)
        if loss is not None:
            writer.writerow((report.step - 1, (report.step - 1) // per_epoch, loss, round(math.exp(loss), 5)))
    return table.getvalue().encode()
