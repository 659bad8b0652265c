"""Any provider that speaks OpenAI's wire: OpenAI, self-hosted servers, our trainer.

The SDK sends and tells errors apart; what comes back is read here, as it comes. It costs half a second to import, so it
is imported by the first call that needs it. Its own retries are off: it sleeps for as long as a server says, outside of
any deadline, and a create carries no idempotency key and would make a second, billed job. Only lists are asked again.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from time import monotonic, sleep
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import quote

from pydantic import ValidationError

from tuneloop.domain.errors import ProviderRefused, ProviderUnavailable, TuneloopError
from tuneloop.domain.training import ProviderJob, RunEvent
from tuneloop.domain.words import word_in
from tuneloop.observability import count, log_failure
from tuneloop.providers.base import JOB_NOT_FOUND, Capabilities, JobRequest
from tuneloop.providers.reports import RUN_KEY, event_in, job_in, object_in
from tuneloop.wire.chat import ChatCompletion

if TYPE_CHECKING:
    from openai import APIStatusError, OpenAI

JOBS = "/fine_tuning/jobs"
LIST_S = 20.0
PAUSE_S = 0.5
SUBMIT_S = 120.0
KEY_KEPT_S = 30.0
PAGE = 100
MOST_LISTED = 1000
ALL_PAGES = 1000  # where a file that isn't found would be thought to be gone
GONE = "gone"
SEED = 0  # the same data trains the same model
KEY_REFUSED = {401: "Check the provider's key in SSM.", 403: "Check what the provider's key in SSM may do."}
KEY_MISSING = "The provider's key is not in SSM: `make provider-key` stores it."
TRY_LATER = "Try again later."
UNAVAILABLE = "ProviderUnavailable"
LATER = {402: "Check the account at the provider.", 408: TRY_LATER, 409: TRY_LATER, 425: TRY_LATER, 429: TRY_LATER}
HIDDEN = b"[key]"
SHORTEST_SECRET = 16  # what is shorter is a word such as `EMPTY`, which self-hosted servers take for a key


class OpenAICompatible:
    """A provider on OpenAI's wire at `base_url`.

    The first call that needs the key reads it; one that isn't taken is read anew, at most every 30 s.
    """

    def __init__(self, name: str, base_url: str, read_key: Callable[[], str | None]) -> None:
        self.name = name
        self.capabilities = Capabilities()
        self._base_url = base_url
        self._read_key = read_key
        self._key_read_at = monotonic()

    @cached_property
    def _api_key(self) -> str:
        return self._fresh_key()

    @cached_property
    def _client(self) -> "OpenAI":
        from openai import OpenAI  # noqa: PLC0415 - see the module's docstring

        from tuneloop.providers.deadlines import client_with_deadlines  # noqa: PLC0415

        network = client_with_deadlines(SUBMIT_S)
        return OpenAI(
            base_url=self._base_url, api_key=self._api_key, timeout=SUBMIT_S, max_retries=0, http_client=network
        )

    def prepare(self) -> None:
        """Import the SDK and read the key, if that was not done yet."""
        _ = self._client

    def find_file(self, name: str) -> str | None:
        """The newest file of that name among the account's fine-tuning files."""
        files = self._listed("/files", purpose="fine-tune", order="desc")
        return next((_id_in(file) for file in files if file.get("filename") == name), None)

    def upload(self, name: str, content: IO[bytes]) -> str:
        """Upload a file for fine-tuning; it may take as long as it goes on."""
        with self._calling():
            files = self._client.files.with_raw_response
            uploaded = files.create(file=(name, content), purpose="fine-tune", timeout=SUBMIT_S)
        with _sensible():
            return _id_in(object_in(uploaded.content))

    def delete_files(self, names: Collection[str]) -> int:
        """Delete the fine-tuning files of these names; one that is gone already is as good as deleted."""
        listed = self._listed("/files", pages=ALL_PAGES, purpose="fine-tune")
        found = [_id_in(file) for file in listed if file.get("filename") in names]
        for file in found:
            self._delete(f"/files/{quote(file, safe='')}")
        return len(found)

    def find_job(self, run: str) -> ProviderJob | None:
        """The oldest job with the run's id in its metadata; checked here too, as some servers ignore the filter."""
        mine = [job for job in self._jobs(metadata={RUN_KEY: run}) if job.run == run]
        return min(mine, key=lambda job: job.created_at or datetime.max.replace(tzinfo=UTC), default=None)

    def create_job(self, request: JobRequest) -> ProviderJob:
        """Create a supervised fine-tuning job, once."""
        body: dict[str, Any] = {
            "model": request.base_model,
            "training_file": request.training_file,
            "suffix": request.model[:64],
            "seed": SEED,
            "method": {"type": "supervised", "supervised": {"hyperparameters": request.hyperparameters}},
            "metadata": {RUN_KEY: request.run, "tuneloop_model": request.model},
        }
        if request.validation_file:
            body["validation_file"] = request.validation_file
        created = self._post(JOBS, body, SUBMIT_S)
        with _sensible():
            return job_in(object_in(self._without_key(created)))

    def get_job(self, job_id: str, timeout_s: float) -> ProviderJob:
        """A job as it is now."""
        found = self._get(f"{JOBS}/{quote(job_id, safe='')}", timeout_s, not_found=JOB_NOT_FOUND)
        with _sensible():
            return job_in(found)

    def jobs(self) -> Iterator[ProviderJob]:
        """The account's jobs, newest first."""
        yield from self._jobs()

    def events(self, job_id: str, timeout_s: float) -> list[RunEvent]:
        """The latest hundred events, oldest first."""
        page = self._get(f"{JOBS}/{quote(job_id, safe='')}/events", timeout_s, limit=PAGE)
        return [event_in(event) for event in reversed(_rows_of(page))]

    def complete(self, request: dict[str, Any], timeout_s: float) -> ChatCompletion:
        """Answer a chat request; fields that the SDK doesn't know travel too."""
        body = self._post("/chat/completions", request, timeout_s)
        with _sensible():
            answer = ChatCompletion.model_validate_json(body)
            if not answer.choices:
                raise ValueError("an answer without choices")
        return answer

    def _jobs(self, **query: Any) -> Iterator[ProviderJob]:
        for fields in self._listed(JOBS, **query):
            try:
                yield job_in(fields)
            except ValidationError as error:  # one strange job, perhaps not even ours, must not hide the others
                log_failure(error)

    def _listed(self, path: str, pages: int = MOST_LISTED // PAGE, **query: Any) -> Iterator[dict[str, Any]]:
        for _ in range(pages):
            page = self._page(path, limit=PAGE, **query)
            rows = _rows_of(page)
            yield from rows
            last = rows[-1].get("id") if rows else None
            if page.get("has_more") is False or last in (None, query.get("after")):
                return
            query["after"] = last

    def _page(self, path: str, **query: Any) -> dict[str, Any]:
        """A page of a list; after a failure that may pass it is asked for once more, within its time."""
        ends = monotonic() + LIST_S
        try:
            return self._get(path, LIST_S, **query)
        except ProviderUnavailable as error:
            if error.code != ProviderUnavailable.code or ends - monotonic() <= PAUSE_S:
                raise
        sleep(PAUSE_S)
        return self._get(path, ends - monotonic(), **query)

    def _get(self, path: str, timeout_s: float, *, not_found: str | None = None, **query: Any) -> dict[str, Any]:
        options: Any = {"timeout": timeout_s, "params": query}
        with self._calling(timeout_s, not_found):
            body = self._client.get(path, cast_to=bytes, options=options)
        with _sensible():
            return object_in(self._without_key(body))

    def _post(self, path: str, body: dict[str, Any], timeout_s: float) -> bytes:
        with self._calling(timeout_s):
            options: Any = {"timeout": timeout_s}
            return self._client.post(path, body=body, cast_to=bytes, options=options)

    def _delete(self, path: str) -> None:
        options: Any = {"timeout": LIST_S}
        try:
            with self._calling(LIST_S, not_found=GONE):
                self._client.delete(path, cast_to=bytes, options=options)
        except ProviderRefused as error:
            if error.code != GONE:
                raise

    def _without_key(self, said: bytes) -> bytes:
        """What a provider said of jobs and their events, but for our key: it is the operator's, and callers read this.

        A model's answers are left as they are: they are their users', and no model was ever told the key.
        """
        return said.replace(self._api_key.encode(), HIDDEN) if len(self._api_key) >= SHORTEST_SECRET else said

    @contextmanager
    def _calling(self, timeout_s: float | None = None, not_found: str | None = None) -> Iterator[None]:
        """A call within its time; the SDK's errors as ours, without the provider's text: it may quote what was sent."""
        import openai  # noqa: PLC0415 - see the module's docstring

        from tuneloop.providers.deadlines import deadline  # noqa: PLC0415

        if timeout_s is not None and timeout_s <= 0:
            raise ProviderUnavailable("There was no time left to ask the provider.")
        try:
            with deadline(timeout_s):
                yield
        except openai.APIConnectionError as error:
            count(UNAVAILABLE)
            raise ProviderUnavailable(f"The provider can't answer now ({type(error).__name__}). {TRY_LATER}") from error
        except openai.APIStatusError as error:
            translated = _translated(error, not_found, self._api_key)
            if isinstance(error, openai.AuthenticationError):
                self._renew_key()
            raise translated from error

    def _renew_key(self) -> None:
        if monotonic() - self._key_read_at > KEY_KEPT_S:
            self._api_key = self._client.api_key = self._fresh_key()

    def _fresh_key(self) -> str:
        self._key_read_at = monotonic()
        key = self._read_key()
        if key is None:
            count(UNAVAILABLE)
            raise ProviderUnavailable(KEY_MISSING, code="provider_key_missing")
        return key


def _translated(error: "APIStatusError", not_found: str | None, key: str) -> TuneloopError:
    status = error.status_code
    code, kind, param = (_word_in(said, key) for said in (error.code, error.type, error.param))
    what = f"{status} {code or kind or type(error).__name__}"
    if status in KEY_REFUSED:
        count(UNAVAILABLE)
        message = f"The provider doesn't take our key ({what}). {KEY_REFUSED[status]}"
        return ProviderUnavailable(message, code="provider_key_refused")
    if status in LATER or not 400 <= status < 500:
        count(UNAVAILABLE)
        return ProviderUnavailable(f"The provider can't answer now ({what}). {LATER.get(status, TRY_LATER)}")
    # A proxy's own 404 page says nothing about the thing that was asked for.
    unknown = not_found if status == 404 and isinstance(error.body, dict) else None
    return ProviderRefused(f"The provider refused the call: {what}.", param=param, code=unknown)


def _word_in(said: object, key: str) -> str | None:
    """What a provider said if it is one plain word, and not our key."""
    word = word_in(said)
    return None if word and len(key) >= SHORTEST_SECRET and key in word else word


@contextmanager
def _sensible() -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        count(UNAVAILABLE)
        message = f"The provider gave an answer that makes no sense. {TRY_LATER}"
        raise ProviderUnavailable(message, code="provider_nonsense") from error


def _rows_of(page: dict[str, Any]) -> list[dict[str, Any]]:
    rows = page.get("data")
    with _sensible():
        if not isinstance(rows, list):
            raise ValueError("a list without its rows")
    return [row for row in rows if isinstance(row, dict)]


def _id_in(fields: dict[str, Any]) -> str:
    with _sensible():
        if not isinstance(fields.get("id"), str) or not fields["id"]:
            raise ValueError("a thing without an id")
    return str(fields["id"])
