"""The scheduler: one thread checks the files of new jobs, another runs one worker process at a time to train them."""

import logging
import multiprocessing
import threading
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.process import BaseProcess

from trainer.ids import new_id, now_s
from trainer.jobs.job_data import JobDataByWire, job_data_of
from trainer.jobs.worker import run_worker
from trainer.storage.home import Home
from tuneloop.openai_wire.fine_tuning import OPEN_STATUSES, FineTuningJob, JobError

# A job whose workers died so often, of memory perhaps, would kill the next worker too, so it fails instead.
MAX_CRASHES = 3
# A change wakes the threads at once; this bounds the delay if a thread misses one between its look and its wait.
_IDLE_S = 1.0
_SERVER_ERROR = JobError(code="server_error", message="The trainer failed at this job; its log says why.")
_VALIDATING = frozenset({"validating_files"})
_log = logging.getLogger("trainer")


@dataclass(slots=True)
class _Worker:
    job_id: str
    process: BaseProcess
    dropped: bool = False


class Scheduler:
    """Works on the jobs in a trainer's folder from `start` to `stop`."""

    def __init__(self, home: Home, data_by_wire: JobDataByWire) -> None:
        self._home = home
        self._data_by_wire = data_by_wire
        self._processes = multiprocessing.get_context("forkserver")
        # Importing takes longer than many trainings, so workers are forked from a process that has imported everything.
        adapters = {type(data).__module__ for data in data_by_wire.values()}
        self._processes.set_forkserver_preload([run_worker.__module__, *sorted(adapters)])
        self._stopping = False
        self._changed = threading.Condition()
        self._worker: _Worker | None = None
        self._threads = [
            threading.Thread(target=self._work_on, args=(("validating_files",), self._validate), name="validate"),
            threading.Thread(target=self._work_on, args=(("running", "queued"), self._train), name="train"),
        ]

    def start(self) -> None:
        """Begin to work, first on the jobs that an earlier server left unfinished."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop working, and leave unfinished jobs to the next server."""
        self._stopping = True
        self.wake()
        with self._changed:
            if self._worker:
                self._worker.process.terminate()
        for thread in self._threads:
            thread.join()

    def wake(self) -> None:
        """Wake the threads to look for jobs that have changed."""
        with self._changed:
            self._changed.notify_all()

    def drop(self, job_id: str) -> None:
        """Stop working on a job that was cancelled or paused."""
        with self._changed:
            if self._worker and self._worker.job_id == job_id:
                self._worker.dropped = True
                self._worker.process.terminate()

    def _work_on(self, statuses: tuple[str, ...], work_on: Callable[[FineTuningJob], None]) -> None:
        """Work on one job after the other that has one of these statuses, until the scheduler stops."""
        while not self._stopping:
            with self._changed:
                job = self._home.jobs.next_in(*statuses)
                if not job and not self._stopping:
                    self._changed.wait(_IDLE_S)
            if job:
                try:
                    work_on(job)
                except Exception:  # noqa: BLE001 - a thread's entry point: one broken job must not stop the others
                    _log.exception("Working on %s failed.", job.id)
                    self._home.jobs.fail(job.id, _SERVER_ERROR)
                self.wake()

    def _validate(self, job: FineTuningJob) -> None:
        """Prepare and check a job's files, then queue the job or fail it."""
        error = job_data_of(self._data_by_wire, job).prepare_files(self._home, job)
        jobs = self._home.jobs
        with self._home.rows.transaction():
            if error:
                jobs.fail(job.id, error)
            elif jobs.move(job.id, out_of=_VALIDATING, status="queued"):
                jobs.log(job.id, "validated", "Files validated, moving job to queued state")

    def _train(self, job: FineTuningJob) -> None:
        """Train a job in a worker process, and wait for the end of the process."""
        with self._changed:
            if self._stopping or self._home.jobs.is_held(job.id):
                return
            arguments = (self._home.folder, job.id, self._data_by_wire)
            process = self._processes.Process(target=run_worker, args=arguments, name=job.id, daemon=True)
            process.start()
            worker = self._worker = _Worker(job.id, process)
        process.join()
        with self._changed:
            self._worker = None
        process.close()
        self._home.sweep(now=now_s())
        if not worker.dropped and not self._stopping:
            self._count_crash(job.id)

    def _count_crash(self, job_id: str) -> None:
        """Leave a job whose worker died to the next worker, or fail it after `MAX_CRASHES` deaths."""
        job = self._home.jobs.get(job_id)
        if job and job.status in OPEN_STATUSES:
            crashes = self._home.jobs.count_crash(job_id, new_id("crash"))
            _log.warning("The worker of %s died (%d of %d times).", job_id, crashes, MAX_CRASHES)
            if crashes >= MAX_CRASHES:
                self._home.jobs.fail(job_id, _SERVER_ERROR)
