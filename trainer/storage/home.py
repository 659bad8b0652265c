"""The trainer's folder: one database, and folders for file bytes, models and half-trained jobs."""

import fcntl
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

from trainer.storage.bedrock import BEDROCK, BedrockRows
from trainer.storage.files import FileStore
from trainer.storage.jobs import Jobs
from trainer.storage.models import ModelStore
from trainer.storage.rows import Rows
from trainer.storage.uploads import Uploads
from tuneloop.openai_wire.fine_tuning import OPEN_STATUSES


@dataclass(frozen=True, slots=True)
class Home:
    """What the server and its worker share."""

    folder: Path
    rows: Rows
    files: FileStore
    jobs: Jobs
    models: ModelStore
    uploads: Uploads
    bedrock: BedrockRows

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open the folder, making what is not there."""
        folder.mkdir(parents=True, exist_ok=True)
        rows = Rows(folder / "trainer.sqlite3")
        files, models = FileStore(rows, folder / "files"), ModelStore(rows, folder / "models")
        uploads = Uploads(rows, folder / "uploads")
        return cls(folder, rows, files, Jobs(rows), models, uploads, BedrockRows(rows))

    def progress_file(self, job_id: str) -> Path:
        """Return where a running job keeps what it had learnt at the end of its last epoch."""
        return self.folder / "jobs" / f"{job_id}.npz"

    def sweep(self, *, now: int) -> None:
        """Remove what has expired, and what jobs left that ended; only while no worker is at work."""
        self.files.sweep(now=now)
        self.uploads.sweep(now=now)
        self.models.sweep()
        for kept in (self.folder / "jobs").glob("*.npz*"):
            if self._has_ended(kept.name.partition(".")[0]):
                kept.unlink()
        for fetched in (self.folder / "files").glob(f"{BEDROCK}-*"):
            if self._has_ended(fetched.name.rpartition("-")[0]):
                fetched.unlink()

    def _has_ended(self, job_id: str) -> bool:
        job = self.jobs.get(job_id)
        return not job or job.status not in OPEN_STATUSES


def lock(folder: Path, name: str, *, wait: bool) -> IO[str]:
    """Take a lock that ends with this process; raise BlockingIOError where another has it and `wait` is false."""
    folder.mkdir(parents=True, exist_ok=True)
    held = (folder / f"{name}.lock").open("w")
    fcntl.flock(held, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    return held
