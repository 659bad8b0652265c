"""The worker process, which trains one job: the server stays responsive, and a job can be stopped at any moment.

A worker ends when the server that started it ends, for whatever reason, and waits until no other worker is running.
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
from trainer.storage.home import Home, acquire_lock
from tuneloop.openai_wire.fine_tuning import JobError


def run_worker(folder: Path, job_id: str, data_by_wire: JobDataByWire) -> None:
    """Train one job to its end, as the entry point of a process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes of a terminal; the server decides
    threading.Thread(target=_end_with_the_server, daemon=True).start()
    with acquire_lock(folder, "worker", wait=True):
        home = Home.open(folder)
        train_job(home, job_id, data_by_wire)
        home.rows.close()


def train_job(home: Home, job_id: str, data_by_wire: JobDataByWire) -> None:
    """Train one job until it succeeds, fails or is stopped."""
    job = home.jobs.get(job_id)
    if job is None:
        return
    try:
        with suppress(JobEndedError):
            JobTraining(home, job, job_data_of(data_by_wire, job), *prepare_learner(home, job)).train()
    except FileGoneError as gone:
        home.jobs.fail(job_id, file_error(gone.param, gone))
    except StartGoneError as gone:
        home.jobs.fail(job_id, JobError(code="model_not_available", message=str(gone), param="model"))
    except MetricsRefusedError as refused:
        home.jobs.fail(job_id, JobError(code="output_refused", message=str(refused)))


def _end_with_the_server() -> None:
    """End this process when its parent ends; run in a thread."""
    server = multiprocessing.parent_process()
    if server:
        server.join()
        os._exit(1)
