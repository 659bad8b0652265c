"""What a finished job leaves besides its model: its reports as a file, or as objects in its owner's bucket."""

import io

from trainer.bedrock.job_metrics import write_results
from trainer.ids import id_for, now_s
from trainer.jobs.metrics import results_csv
from trainer.storage.home import Home
from tuneloop.openai_wire.files import RESULTS_PURPOSE, FileObject
from tuneloop.openai_wire.fine_tuning import FineTuningJob


def leave_results(home: Home, job: FineTuningJob) -> list[str]:
    """Write a job's reports where its wire has them, and return the names of what was written."""
    customization = home.bedrock.customization_of(job.id)
    if customization:
        return write_results(home, job, customization)
    content = results_csv(home.jobs.events(job.id))
    file = FileObject(
        id=id_for("file", job.id, "results"), created_at=now_s(), filename="step_metrics.csv", purpose=RESULTS_PURPOSE
    )
    return [home.files.add(file, io.BytesIO(content)).id]
