"""The process that trains one job, so that the server stays responsive and a job can be stopped at any moment.

It ends with the server that started it, however that one ends, and trains only while no other worker does.
"""

import multiprocessing
import os
import signal
import threading
from contextlib import suppress
from pathlib import Path

from trainer.jobs.job_data import FileGoneError, JobDataByWire, MetricsRefusedError, file_error, job_data_of
from trainer.jobs.learners import StartGoneError, prepared
from trainer.jobs.run import JobEndedError, Run
from trainer.jobs.validation import fail
from trainer.storage.home import Home, lock
from tuneloop.openai_wire.fine_tuning import JobError


def work(folder: Path, job_id: str, data_by_wire: JobDataByWire) -> None:
    """Train one job to its end; meant to be a process of its own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole terminal; the server decides what it means
    threading.Thread(target=_end_with_the_server, daemon=True).start()
    with lock(folder, "worker", wait=True):
        home = Home.open(folder)
        train(home, job_id, data_by_wire)
        home.rows.close()


def train(home: Home, job_id: str, data_by_wire: JobDataByWire) -> None:
    """Train one job to its end, whatever that is."""
    job = home.jobs.get(job_id)
    if job is None:
        return
    try:
        with suppress(JobEndedError):
            Run(home, job, job_data_of(data_by_wire, job), *prepared(home, job)).train()
    except FileGoneError as gone:
        fail(home, job_id, file_error(gone.param, gone))
    except StartGoneError as gone:
        fail(home, job_id, JobError(code="model_not_available", message=str(gone), param="model"))
    except MetricsRefusedError as refused:
        fail(home, job_id, JobError(code="output_refused", message=str(refused)))


def _end_with_the_server() -> None:
    server = multiprocessing.parent_process()
    if server:
        server.join()
        os._exit(1)
