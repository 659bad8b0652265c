"""What a customization job leaves in S3: its losses, step by step, where Bedrock puts them.

Paths: Bedrock's user guide, "Analyze the results of a model customization job", and the folder that its jobs really
write. Steps and epochs count from 0; perplexity is e to the power of the loss.
"""

import csv
import io
import math
from collections.abc import Callable, Iterable

from trainer.bedrock.job_status import reports
from trainer.bedrock.s3 import put, s3_of
from trainer.storage.bedrock import Customization
from trainer.storage.home import Home
from tuneloop.openai_wire.fine_tuning import FineTuningJob, StepMetrics

TRAINING = "training_artifacts/step_wise_training_metrics.csv"
VALIDATION = "validation_artifacts/post_fine_tuning_validation/validation/validation_metrics.csv"


def write_results(home: Home, job: FineTuningJob, customization: Customization) -> list[str]:
    """Write a job's metrics below its output folder and return their URIs; StorageError where S3 refuses."""
    metrics = reports(home, job)
    epochs = job.hyperparameters.n_epochs
    per_epoch = (metrics[-1].total_steps or metrics[-1].step) // (epochs if isinstance(epochs, int) else 1)
    tables = {TRAINING: _csv("training_loss", metrics, per_epoch, lambda report: report.train_loss)}
    if job.validation_file:
        tables[VALIDATION] = _csv("validation_loss", metrics, per_epoch, lambda report: report.full_valid_loss)
    client = s3_of(customization)
    output = str(customization.request["outputDataConfig"]["s3Uri"]).rstrip("/")
    folder = f"{output}/model-customization-job-{customization.id}"
    return [put(client, folder, path, content) for path, content in tables.items()]


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
