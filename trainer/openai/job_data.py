"""The data of OpenAI's jobs: uploaded files, and metrics as a result file among them."""

import csv
import io
from collections.abc import Iterable

from trainer.engine.training import MEAN_ACCURACY, PREFERENCE_ACCURACY
from trainer.ids import id_for, now_s
from trainer.jobs.job_data import FileGoneError, file_error, job_file
from trainer.jobs.learners import line_check_of
from trainer.jobs.training_lines import InvalidFileError, check_file
from trainer.storage.home import Home
from tuneloop.openai_wire.files import RESULTS_PURPOSE, FileObject
from tuneloop.openai_wire.fine_tuning import FineTuningJob, JobError, JobEvent, StepMetrics

# OpenAI's minimum for a training file.
LEAST_TRAINING_EXAMPLES = 10
RESULT_COLUMNS = ("step", "train_loss", "train_accuracy", "valid_loss", "valid_mean_token_accuracy")
_ACCURACIES = (MEAN_ACCURACY, PREFERENCE_ACCURACY)


class UploadedJobData:
    """OpenAI's adapter of the port `JobData`."""

    def prepare_files(self, home: Home, job: FineTuningJob) -> JobError | None:
        """Check a job's uploaded files against the rules of its method."""
        at_least = {"training_file": LEAST_TRAINING_EXAMPLES}
        if job.validation_file:
            at_least["validation_file"] = 1
        for param, examples in at_least.items():
            home.jobs.log(job.id, param, f"Validating {param.replace('_', ' ')}: {getattr(job, param)}")
            try:
                check_file(job_file(home, job, param), line_check_of(job), at_least=examples)
            except (FileGoneError, InvalidFileError) as error:
                return file_error(param, error)
        return None

    def write_metrics(self, home: Home, job: FineTuningJob) -> list[str]:
        """Add the result file to the uploaded ones and return its id, which is derived from the job's."""
        content = results_csv(home.jobs.events(job.id))
        file = FileObject(
            id=id_for("file", job.id, "results"),
            created_at=now_s(),
            filename="step_metrics.csv",
            purpose=RESULTS_PURPOSE,
        )
        return [home.files.add(file, io.BytesIO(content)).id]


def results_csv(events: Iterable[JobEvent]) -> bytes:
    """Return OpenAI's result file of a job: its reports as CSV, oldest first."""
    reports = [StepMetrics.model_validate(event.data) for event in events if event.type == "metrics"]
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow(RESULT_COLUMNS)
    for report in sorted(reports, key=lambda report: report.step):
        train, valid = (_accuracy(report, split) for split in ("train", "valid"))
        writer.writerow((report.step, report.train_loss, train, report.valid_loss, valid))
    return table.getvalue().encode()


def _accuracy(report: StepMetrics, split: str) -> float | None:
    """Return a report's accuracy on a split, `train` or `valid`; its name depends on the job's method."""
    figures = (getattr(report, f"{split}_{name}") for name in _ACCURACIES)
    return next((figure for figure in figures if figure is not None), None)
