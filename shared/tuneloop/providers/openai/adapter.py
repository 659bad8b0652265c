"""The adapter of providers that speak OpenAI's API: OpenAI, Azure, self-hosted servers, our trainer.

Several stages may share a provider's account, and their run ids may be equal, as they are derived from names. So the
names of files and the metadata of jobs carry the stage.

A file is uploaded in one request, or in parts if it is larger than the provider takes in one request. Only one part is
held in memory at a time. An upload that is begun and not completed expires at the provider after an hour.
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
JSONL = "application/jsonl"
TOO_LARGE = "file_too_large"
# Pages of the file list that a deletion reads: a file behind the last page would be taken for deleted.
ALL_PAGES = 1000
# Events of a job that are read at most: a hundred calls, which bounds a server whose list never ends.
MOST_EVENTS = 10_000
METHODS = {TrainingMethod.SUPERVISED: "supervised", TrainingMethod.PREFERENCE: "dpo"}
UNKNOWN_TIME = datetime.max.replace(tzinfo=UTC)
# HTTP statuses by which a server says that models can't be looked up: a key may be allowed to chat and no more.
FORBIDDEN, NOT_IMPLEMENTED = 403, 501
# The hosts of Azure's resources, in its public and its national clouds (Azure's documentation, read 2026-11).
AZURE_HOST = re.compile(r"\.azure\.(com|us|cn)$")


class OpenAICompatible:
    """A provider that speaks OpenAI's API, as the port wants it."""

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
        """Close the connections."""
        self._calls.close()

    def models(self, timeout_s: float = LISTING_S) -> Iterator[ListedModel]:
        """The account's models; those that can't be read are left out."""
        for fields in rows_of(self._calls.get("/models", timeout_s)):
            with suppress(ValidationError):
                yield listed_model_in(fields)

    def has_model(self, model: str, timeout_s: float) -> bool | None:
        """Whether the server has a model: asked for by its id, else looked for in the server's list.

        A 404 for the id isn't believed, as servers without that route answer 404 for any id. None if there is no list
        either, and on Azure, where calls name a deployment, which no list shows.
        """
        if AZURE_HOST.search(urlsplit(self._registered.base_url).hostname or ""):
            return None
        ends = monotonic() + timeout_s
        model_id = self._find_model_id(model, timeout_s)
        if model_id == model:
            return True
        listed = self._is_in_list(model, ends - monotonic())
        return None if model_id and not listed else listed  # a model that answers under another id may be an alias

    def find_file(self, file: TrainingFile) -> str | None:
        """The id of the newest fine-tuning file of the account that has the file's name; None if there is none."""
        files = self._calls.rows("/files", purpose="fine-tune", order="desc")
        return next((id_in(row) for row in files if row.get("filename") == self._file_name(file)), None)

    def upload(self, file: TrainingFile, base_model: str, content: IO[bytes]) -> str:
        """Upload a file for fine-tuning as it is, in parts if it is large; return the provider's id of the file."""
        return upload_training_file(self._calls, self._file_name(file), content, self.capabilities(base_model))

    def file_import(self, file: str, timeout_s: float) -> FileImport:
        """How far the import of a file is; UNKNOWN if the server refuses to tell of single files."""
        try:
            fields = self._calls.get(f"/files/{quote(file, safe='')}", timeout_s, not_found=GONE)
        except ProviderRefused as error:
            return FileImport(ImportState.GONE if error.code == GONE else ImportState.UNKNOWN)
        return file_import_in(fields)

    def delete_files(self, files: Collection[TrainingFile]) -> int:
        """Delete the fine-tuning files of these names, and return how many there were; a missing file is no error."""
        names = {self._file_name(file) for file in files}
        listed = self._calls.rows("/files", pages=ALL_PAGES, purpose="fine-tune")
        file_ids = [id_in(row) for row in listed if row.get("filename") in names]
        for file_id in file_ids:
            self._calls.delete(f"/files/{quote(file_id, safe='')}")
        return len(file_ids)

    def find_jobs(self, run: str, training_file: str | None = None) -> list[ProviderJob]:
        """The jobs of a run, oldest first, found by the run's id in their metadata.

        The metadata is checked here too, as some servers ignore the filter. On a server that keeps no metadata, jobs
        are found by their training file, which no other run has.
        """
        mine = [
            job for job in self._jobs(metadata={RUN_KEY: run}) if job.run == run and not self._is_of_another_stage(job)
        ]
        if not mine and training_file:
            mine = [job for job in self._jobs() if job.training_file == training_file]
        return sorted(mine, key=lambda job: job.created_at or UNKNOWN_TIME)

    def create_job(self, request: ProviderJobRequest) -> ProviderJob:
        """Create a fine-tuning job by one request; the code of a refusal for unimported files is FILE_NOT_READY."""
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
        """The job as it is now; ProviderRefused with the code JOB_NOT_FOUND if there is none."""
        fields = self._calls.get(_job_path(job_id), timeout_s, not_found=JOB_NOT_FOUND)
        with sensible():
            return job_in(fields)

    def cancel_job(self, job_id: str, timeout_s: float) -> None:
        """Ask for a job to be cancelled; a refusal is ignored, as a job that has ended is refused."""
        with suppress(ProviderRefused):
            self._calls.post(f"{_job_path(job_id)}/cancel", {}, timeout_s)

    def jobs(self) -> Iterator[ProviderJob]:
        """The account's jobs, newest first."""
        yield from self._jobs()

    def origin_of(self, job: ProviderJob) -> JobOrigin | None:
        """The origin of a job by its metadata; None if the job isn't one of Tuneloop."""
        return job.origin

    def events(self, job_id: str, timeout_s: float, *, whole: bool = False) -> list[RunEvent]:
        """The latest hundred events of a job, oldest first; all of its events (10,000 at most) if `whole`."""
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
        """The latest hundred checkpoints of a job, newest first; none on a server without that route."""
        try:
            page = self._calls.get(f"{_job_path(job_id)}/checkpoints", timeout_s, not_found=JOB_NOT_FOUND, limit=PAGE)
        except ProviderRefused:
            return []
        return [checkpoint for fields in rows_of(page) if (checkpoint := checkpoint_in(fields))]

    def complete(self, request: dict[str, Any], timeout_s: float) -> ChatCompletion:
        """Answer a chat request; fields that the SDK doesn't know are passed on."""
        body = self._calls.post("/chat/completions", request, timeout_s)
        with sensible():
            answer = _completion_in(body)
            if not answer.choices:
                raise ValueError("an answer without choices")
        return answer

    def stream(self, request: dict[str, Any], timeout_s: float) -> Iterator[ChatChunk]:
        """Stream the answer, its usage last; ProviderUnavailable at the end of a stream that broke off."""
        stream_request = {**request, "stream": True, "stream_options": {"include_usage": True}}
        is_whole = False
        for event in self._calls.events("/chat/completions", stream_request, timeout_s):
            with sensible():
                chunk = chunk_in(event)
            is_whole = is_whole or bool(chunk.usage) or any(choice.finish_reason for choice in chunk.choices)
            yield chunk
        if not is_whole:
            raise ProviderUnavailable("The provider broke its answer off. Try again later.", code=BROKEN_OFF)

    def _find_model_id(self, model: str, timeout_s: float) -> str | None:
        """The id that the server gives the model in its answer; None if it knows no such model or has no such route."""
        try:
            model_id = self._calls.get(f"/models/{quote(model, safe='')}", timeout_s).get("id")
        except (ProviderRefused, ProviderUnavailable) as error:
            if not _has_no_such_route(error):
                raise
            return None
        return model_id if isinstance(model_id, str) and model_id else None

    def _is_in_list(self, model: str, timeout_s: float) -> bool | None:
        """Whether the server lists a model; None if it has no list, or shows only a part of the list."""
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
            except ValidationError as error:  # one malformed job, perhaps not even ours, must not hide the others
                log_failure(error)


def _has_no_such_route(error: ProviderRefused | ProviderUnavailable) -> bool:
    """Whether an error says that the server has no such route: a refusal, no JSON, 403 (forbidden) or 501."""
    if isinstance(error, ProviderRefused) or error.code == NONSENSE:
        return True
    return status_in(error) in (FORBIDDEN, NOT_IMPLEMENTED)


def _completion_in(body: bytes) -> ChatCompletion:
    """Parse a chat answer, leniently if it was cut off within a character: it is paid for, and nearly whole."""
    try:
        return ChatCompletion.model_validate_json(body)
    except ValidationError:
        return ChatCompletion.model_validate(read_leniently(body))


def _job_path(job_id: str) -> str:
    return f"{JOBS_PATH}/{quote(job_id, safe='')}"


def upload_training_file(calls: OpenAIClient, name: str, content: IO[bytes], capabilities: Capabilities) -> str:
    """Upload a file for fine-tuning and return the provider's id of it; ProviderRefused if the file is too large."""
    size = _size_of(content)
    most = capabilities.largest_file_bytes or (None if capabilities.part_bytes else capabilities.whole_file_bytes)
    if most is not None and size > most:
        message = f"The file {name} has {size:,} bytes, and the provider takes {most:,}. Train on fewer examples."
        raise ProviderRefused(message, code=TOO_LARGE)
    if (
        capabilities.whole_file_bytes is None
        or capabilities.part_bytes is None
        or size <= capabilities.whole_file_bytes
    ):
        return _id_in_body(calls.upload(name, content))
    return _upload_in_parts(calls, name, content, size, capabilities.part_bytes)


def _upload_in_parts(calls: OpenAIClient, name: str, content: IO[bytes], size: int, part_bytes: int) -> str:
    upload_request = {"filename": name, "purpose": "fine-tune", "bytes": size, "mime_type": JSONL}
    upload = f"/uploads/{quote(_id_in_body(calls.post('/uploads', upload_request, SUBMIT_S)), safe='')}"
    part_ids = []
    while part := content.read(part_bytes):
        part_ids.append(_id_in_body(calls.send_part(f"{upload}/parts", part)))
    completed = calls.post(f"{upload}/complete", {"part_ids": part_ids}, SUBMIT_S)
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
