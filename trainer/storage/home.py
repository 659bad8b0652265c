"""The trainer's folder: one database, and subfolders for files, uploads, models and checkpoints."""

import fcntl
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

from trainer.storage.bedrock import BEDROCK, BedrockRows
from trainer.storage.files import FileStore
from trainer.storage.jobs import Jobs
from trainer.storage.models import ModelStore
from trainer.storage.rows import RowStore
from trainer.storage.uploads import Uploads
from tuneloop.openai_wire.fine_tuning import OPEN_STATUSES


@dataclass(frozen=True, slots=True)
class Home:
    """The stores in a trainer's folder, which the server shares with its worker process."""

    folder: Path
    rows: RowStore
    files: FileStore
    jobs: Jobs
    models: ModelStore
    uploads: Uploads
    bedrock: BedrockRows

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open a folder; whatever is missing in it is created."""
        folder.mkdir(parents=True, exist_ok=True)
        rows = RowStore(folder / "trainer.sqlite3")
        files, models = FileStore(rows, folder / "files"), ModelStore(rows, folder / "models")
        uploads = Uploads(rows, folder / "uploads")
        return cls(folder, rows, files, Jobs(rows), models, uploads, BedrockRows(rows))

    def checkpoint_file(self, job_id: str) -> Path:
        """Return the path of a job's checkpoint, which is written at the end of each epoch."""
        return self.folder / "jobs" / f"{job_id}.npz"

    def sweep(self, *, now: int) -> None:
        """Delete what has expired and what ended jobs left; to be called only while no worker is running."""
        self.files.sweep(now=now)
        self.uploads.sweep(now=now)
        self.models.sweep()
        for checkpoint in (self.folder / "jobs").glob("*.npz*"):
            if self._has_ended(checkpoint.name.partition(".")[0]):
                checkpoint.unlink()
        for downloaded in (self.folder / "files").glob(f"{BEDROCK}-*"):
            if self._has_ended(downloaded.name.rpartition("-")[0]):
                downloaded.unlink()

    def _has_ended(self, job_id: str) -> bool:
        job = self.jobs.get(job_id)
        return not job or job.status not in OPEN_STATUSES


def acquire_lock(folder: Path, name: str, *, wait: bool) -> IO[str]:
    """Take a lock, which ends with this process; BlockingIOError if another process has it and `wait` is false."""
    folder.mkdir(parents=True, exist_ok=True)
    lock_file = (folder / f"{name}.lock").open("w")
    fcntl.flock(lock_file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    return lock_file
