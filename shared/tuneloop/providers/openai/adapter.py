"""Any provider that speaks OpenAI's wire: OpenAI, Azure, self-hosted servers, our trainer.

Several stages may share an account, and a run's id comes from names that each of them may have: the names of files and
the metadata of jobs say whose they are.

A file goes in one request, or in parts where it is larger than a provider takes in one. A part is held in memory while
it is sent, the file never. An upload that was begun and not completed goes by itself after an hour.
"""

import re
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from os import SEEK_END
from time import monotonic
from typing import IO, Any
from urllib.parse import quote, urlsplit

from pydantic import ValidationError

from tuneloop.domain.core.errors import ProviderRefused, ProviderUnavailable
from tuneloop.domain.core.json_values import read_leniently
from tuneloop.domain.training.jobs import (
    FileImport,
    ImportState,
    JobOrigin,
    ProviderJob,
    RunCheckpoint,
    RunEvent,
    TrainingFile,
    TrainingMethod,
)
from tuneloop.domain.training.model_offers import Capabilities
from tuneloop.domain.training.providers import RegisteredProvider
from tuneloop.observability import log_failure
from tuneloop.openai_wire.chat import ChatChunk, ChatCompletion
from tuneloop.providers.answers import chunk_in
from tuneloop.providers.catalog import capabilities_of
from tuneloop.providers.openai.client import (
    BROKEN_OFF,
    GONE,
    NONSENSE,
    PAGE,
    SUBMIT_S,
    OpenAIClient,
    id_in,
    rows_of,
    sensible,
    status_in,
)
from tuneloop.providers.openai.responses import (
    RUN_KEY,
    checkpoint_in,
    event_in,
    file_import_in,
    job_in,
    listed_model_in,
    metadata_of,
    object_in,
)
from tuneloop.providers.port import JOB_NOT_FOUND, LISTING_S, Hosting, ListedModel, ProviderJobRequest

JOBS_PATH = "/fine_tuning/jobs"
ALL_PAGES = 1000  # where a file that isn't found would be thought to be gone
# Bounds a job whose list of events has no end: a hundred calls, of which each has what is left of the time.
MOST_EVENTS = 10_000
METHODS = {TrainingMethod.SUPERVISED: "supervised", TrainingMethod.PREFERENCE: "dpo"}
UNKNOWN_TIME = datetime.max.replace(tzinfo=UTC)
FORBIDDEN, NOT_IMPLEMENTED = 403, 501  # a key may be allowed to chat and not to look
# The hosts of Azure's resources, in its public and its national clouds (Azure's documentation, read 2026-11).
AZURE_HOST = re.compile(r"\.azure\.(com|us|cn)$")


class OpenAICompatible:
    """A provider on OpenAI's wire."""

    hosting: Hosting | None = None
    region: str | None = None

    def __init__(
        self, registered: RegisteredProvider, read_key: Callable[[], str | None], stage: str | None = None
    ) -> None:
        self.name = registered.name
        self._stage = stage
        self._registered = registered
        self._calls = OpenAIClient(registered.base_url, read_key)

    def capabilities(self, base_model: str) -> Capabilities:
        """What the catalog says of the base model."""
        return capabilities_of(self.name, base_model)

    def prepare(self) -> None:
        """Import the SDK and read the key, if that was not done yet."""
        self._calls.prepare()

    def close(self) -> None:
        """Let go of the connections."""
        self._calls.close()

    def models(self, timeout_s: float = LISTING_S) -> Iterator[ListedModel]:
        """The account's models; those that can't be read are left out."""
        for fields in rows_of(self._calls.get("/models", timeout_s)):
            with suppress(ValidationError):
                yield listed_model_in(fields)

    def has_model(self, model: str, timeout_s: float) -> bool | None:
        """Whether the server says that it has a model, asked for by its id, else looked for in the list.

        Servers that answer 404 for any id, as those without that route do, are believed by their list; one that keeps
        none can't be asked. On Azure calls name a deployment, which stands in no list.
        """
        if AZURE_HOST.search(urlsplit(self._registered.base_url).hostname or ""):
            return None
        ends = monotonic() + timeout_s
        named = self._find_model_id(model, timeout_s)
        if named == model:
            return True
        listed = self._is_in_list(model, ends - monotonic())
        return None if named and not listed else listed  # one that is found under another id may be an alias

    def find_file(self, file: TrainingFile) -> str | None:
        """The newest file of that name among the account's fine-tuning files."""
        files = self._calls.rows("/files", purpose="fine-tune", order="desc")
        return next((id_in(found) for found in files if found.get("filename") == self._file_name(file)), None)

    def upload(self, file: TrainingFile, base_model: str, content: IO[bytes]) -> str:
        """Upload a file for fine-tuning as it is, in parts if it is large; it may take as long as it goes on."""
        return upload_training_file(self._calls, self._file_name(file), content, self.capabilities(base_model))

    def file_import(self, file: str, timeout_s: float) -> FileImport:
        """How far the import of a file is; unknown where the server says nothing of single files."""
        try:
            found = self._calls.get(f"/files/{quote(file, safe='')}", timeout_s, not_found=GONE)
        except ProviderRefused as error:
            return FileImport(ImportState.GONE if error.code == GONE else ImportState.UNKNOWN)
        return file_import_in(found)

    def delete_files(self, files: Collection[TrainingFile]) -> int:
        """Delete the fine-tuning files of these names; one that is gone already is as good as deleted."""
        names = {self._file_name(file) for file in files}
        listed = self._calls.rows("/files", pages=ALL_PAGES, purpose="fine-tune")
        found = [id_in(file) for file in listed if file.get("filename") in names]
        for file_id in found:
            self._calls.delete(f"/files/{quote(file_id, safe='')}")
        return len(found)

    def find_jobs(self, run: str, training_file: str | None = None) -> list[ProviderJob]:
        """The run's jobs by its id in their metadata, which is checked here too, as some servers ignore the filter.

        A server that keeps no metadata tells them by their training file, which no other run has.
        """
        mine = [
            job for job in self._jobs(metadata={RUN_KEY: run}) if job.run == run and not self._is_of_another_stage(job)
        ]
        if not mine and training_file:
            mine = [job for job in self._jobs() if job.training_file == training_file]
        return sorted(mine, key=lambda job: job.created_at or UNKNOWN_TIME)

    def create_job(self, request: ProviderJobRequest) -> ProviderJob:
        """Create a fine-tuning job, once; the refusal as a file is still being imported has the code FILE_NOT_READY."""
        method = METHODS[request.method]
        body: dict[str, Any] = {
            "model": request.base_model,
            "training_file": request.training_file,
            "suffix": request.origin.model,
            "seed": request.seed,
            "method": {"type": method, method: {"hyperparameters": request.hyperparameters}},
            "metadata": metadata_of(request.origin),
        }
        if request.validation_file:
            body["validation_file"] = request.validation_file
        if self._registered.training_type:
            body["trainingType"] = self._registered.training_type
        created = self._calls.post(JOBS_PATH, body, SUBMIT_S, names_files=True)
        with sensible():
            return job_in(object_in(self._calls.without_key(created)))

    def get_job(self, job_id: str, timeout_s: float) -> ProviderJob:
        """A job as it is now."""
        found = self._calls.get(_job_path(job_id), timeout_s, not_found=JOB_NOT_FOUND)
        with sensible():
            return job_in(found)

    def cancel_job(self, job_id: str, timeout_s: float) -> None:
        """Ask for a job to be cancelled; the refusal of one that has ended is no trouble."""
        with suppress(ProviderRefused):
            self._calls.post(f"{_job_path(job_id)}/cancel", {}, timeout_s)

    def jobs(self) -> Iterator[ProviderJob]:
        """The account's jobs, newest first."""
        yield from self._jobs()

    def origin_of(self, job: ProviderJob) -> JobOrigin | None:
        """Where a job comes from by its metadata."""
        return job.origin

    def events(self, job_id: str, timeout_s: float, *, whole: bool = False) -> list[RunEvent]:
        """The latest hundred events, oldest first, or the whole of them."""
        path, ends = f"{_job_path(job_id)}/events", monotonic() + timeout_s
        page = self._calls.get(path, timeout_s, limit=PAGE)
        rows = rows_of(page)
        while whole and page.get("has_more") and rows and len(rows) < MOST_EVENTS:
            page = self._calls.get(path, ends - monotonic(), limit=PAGE, after=id_in(rows[-1]))
            if not (older := rows_of(page)):
                break
            rows += older
        return [event_in(event) for event in reversed(rows)]

    def checkpoints(self, job_id: str, timeout_s: float) -> list[RunCheckpoint]:
        """The latest hundred, newest first; a server that knows no checkpoints keeps none."""
        try:
            page = self._calls.get(f"{_job_path(job_id)}/checkpoints", timeout_s, not_found=JOB_NOT_FOUND, limit=PAGE)
        except ProviderRefused:
            return []
        return [found for fields in rows_of(page) if (found := checkpoint_in(fields))]

    def complete(self, request: dict[str, Any], timeout_s: float) -> ChatCompletion:
        """Answer a chat request; fields that the SDK doesn't know travel too."""
        body = self._calls.post("/chat/completions", request, timeout_s)
        with sensible():
            answer = _completion_in(body)
            if not answer.choices:
                raise ValueError("an answer without choices")
        return answer

    def stream(self, request: dict[str, Any], timeout_s: float) -> Iterator[ChatChunk]:
        """Answer piece by piece, the usage last; ProviderUnavailable after what came where the answer has no end."""
        asked = {**request, "stream": True, "stream_options": {"include_usage": True}}
        is_whole = False
        for event in self._calls.events("/chat/completions", asked, timeout_s):
            with sensible():
                chunk = chunk_in(event)
            is_whole = is_whole or bool(chunk.usage) or any(choice.finish_reason for choice in chunk.choices)
            yield chunk
        if not is_whole:
            raise ProviderUnavailable("The provider broke its answer off. Try again later.", code=BROKEN_OFF)

    def _find_model_id(self, model: str, timeout_s: float) -> str | None:
        """The id of the model that the server gives for an id, None where it gives none or has no such route."""
        try:
            found = self._calls.get(f"/models/{quote(model, safe='')}", timeout_s).get("id")
        except (ProviderRefused, ProviderUnavailable) as error:
            if not _has_no_such_route(error):
                raise
            return None
        return found if isinstance(found, str) and found else None

    def _is_in_list(self, model: str, timeout_s: float) -> bool | None:
        """Whether the server lists a model, None where it keeps no list, or shows a part of it."""
        try:
            page = self._calls.get("/models", timeout_s)
            ids = {row.get("id") for row in rows_of(page)}
        except (ProviderRefused, ProviderUnavailable) as error:
            if not _has_no_such_route(error) or status_in(error) == FORBIDDEN:
                raise
            return None
        if model in ids:
            return True
        return None if not ids or page.get("has_more") is True else False

    def _file_name(self, file: TrainingFile) -> str:
        return f"{self._stage}-{file.name}" if self._stage else file.name

    def _is_of_another_stage(self, job: ProviderJob) -> bool:
        return bool(self._stage and job.origin and job.origin.stage != self._stage)

    def _jobs(self, **query: Any) -> Iterator[ProviderJob]:
        for fields in self._calls.rows(JOBS_PATH, **query):
            try:
                yield job_in(fields)
            except ValidationError as error:  # one strange job, perhaps not even ours, must not hide the others
                log_failure(error)


def _has_no_such_route(error: ProviderRefused | ProviderUnavailable) -> bool:
    """Whether a server can't be asked like this: it refuses, knows no such call, answers by a page, or forbids it."""
    if isinstance(error, ProviderRefused) or error.code == NONSENSE:
        return True
    return status_in(error) in (FORBIDDEN, NOT_IMPLEMENTED)


def _completion_in(body: bytes) -> ChatCompletion:
    """A chat answer; one that was cut off within a character is paid for all the same, and nearly whole."""
    try:
        return ChatCompletion.model_validate_json(body)
    except ValidationError:
        return ChatCompletion.model_validate(read_leniently(body))


def _job_path(job_id: str) -> str:
    return f"{JOBS_PATH}/{quote(job_id, safe='')}"


JSONL = "application/jsonl"
TOO_LARGE = "file_too_large"


def upload_training_file(calls: OpenAIClient, name: str, content: IO[bytes], able: Capabilities) -> str:
    """Upload a file for fine-tuning; gives the provider's id of it. ProviderRefused where it takes none so large."""
    size = _size_of(content)
    most = able.largest_file_bytes or (None if able.part_bytes else able.whole_file_bytes)
    if most is not None and size > most:
        message = f"The file {name} has {size:,} bytes, and the provider takes {most:,}. Train on fewer examples."
        raise ProviderRefused(message, code=TOO_LARGE)
    if able.whole_file_bytes is None or able.part_bytes is None or size <= able.whole_file_bytes:
        return _id_in_body(calls.upload(name, content))
    return _upload_in_parts(calls, name, content, size, able.part_bytes)


def _upload_in_parts(calls: OpenAIClient, name: str, content: IO[bytes], size: int, part_bytes: int) -> str:
    upload_request = {"filename": name, "purpose": "fine-tune", "bytes": size, "mime_type": JSONL}
    upload = f"/uploads/{quote(_id_in_body(calls.post('/uploads', upload_request, SUBMIT_S)), safe='')}"
    parts = []
    while part := content.read(part_bytes):
        parts.append(_id_in_body(calls.send_part(f"{upload}/parts", part)))
    completed = calls.post(f"{upload}/complete", {"part_ids": parts}, SUBMIT_S)
    with sensible():
        file = object_in(completed).get("file")
        if not isinstance(file, dict):
            raise ValueError("a completed upload without its file")
        return id_in(file)


def _size_of(content: IO[bytes]) -> int:
    size = content.seek(0, SEEK_END)
    content.seek(0)
    return size


def _id_in_body(answer: bytes) -> str:
    with sensible():
        return id_in(object_in(answer))
