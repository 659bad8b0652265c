"""The worker process, which trains one job, so that the server stays responsive and a job can be stopped any moment.

A worker ends with the server that started it, however that ends, and trains only while no other worker does.
"""

import multiprocessing
import os
import signal
import threading
from contextlib import suppress
from pathlib import Path

from trainer.jobs.job_data import FileGoneError, JobDataByWire, MetricsRefusedError, file_error, job_data_of
from trainer.jobs.learners import StartGoneError, prepare_learner
from trainer.jobs.run import JobEndedError, JobTraining
from trainer.jobs.validation import fail_job
from trainer.storage.home import Home, acquire_lock
from tuneloop.openai_wire.fine_tuning import JobError


def run_worker(folder: Path, job_id: str, data_by_wire: JobDataByWire) -> None:
    """Train one job to its end; meant to be a process of its own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole terminal; the server decides what it means
    threading.Thread(target=_end_with_the_server, daemon=True).start()
    with acquire_lock(folder, "worker", wait=True):
        home = Home.open(folder)
        train_job(home, job_id, data_by_wire)
        home.rows.close()


def train_job(home: Home, job_id: str, data_by_wire: JobDataByWire) -> None:
    """Train one job to its end, whatever that is."""
    job = home.jobs.get(job_id)
    if job is None:
        return
    try:
        with suppress(JobEndedError):
            JobTraining(home, job, job_data_of(data_by_wire, job), *prepare_learner(home, job)).train()
    except FileGoneError as gone:
        fail_job(home, job_id, file_error(gone.param, gone))
    except StartGoneError as gone:
        fail_job(home, job_id, JobError(code="model_not_available", message=str(gone), param="model"))
    except MetricsRefusedError as refused:
        fail_job(home, job_id, JobError(code="output_refused", message=str(refused)))


def _end_with_the_server() -> None:
    server = multiprocessing.parent_process()
    if server:
        server.join()
        os._exit(1)
