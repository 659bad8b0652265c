"""Calls on OpenAI's wire: the SDK sends and tells errors apart; answers are read here, leniently.

The SDK costs half a second to import, so it is imported by the first call that needs it. Its own retries are off: it
sleeps for as long as a server says, outside of any deadline, and a create carries no idempotency key and would make a
second, billed job. Only lists are asked again.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import cached_property
from time import monotonic, sleep
from typing import IO, TYPE_CHECKING, Any

from tuneloop.domain.core.errors import DAILY_LIMIT, ProviderRefused, ProviderUnavailable, TuneloopError
from tuneloop.domain.core.json_values import REPLACEMENT
from tuneloop.domain.core.redaction import safe_code
from tuneloop.observability import count
from tuneloop.providers.openai.responses import object_in
from tuneloop.providers.port import FILE_NOT_READY, KEY_MISSING, KEY_REFUSED

if TYPE_CHECKING:
    from openai import APIStatusError, OpenAI

# Seconds for a page of a list, a second try after a pause included.
LIST_S = 20.0
PAUSE_S = 0.5
# Seconds for creating a job or for one step of an upload: below the lease of who submits (330 s), so that nobody else
# takes over while an answer may still come.
SUBMIT_S = 120.0
# A key that isn't taken is read anew that often at most, else each refused call would ask SSM as well.
KEY_KEPT_S = 30.0
PAGE = 100
# Rows of a list that are looked through, newest first: bounds a look for one run in an account that has very many.
MOST_LISTED = 1000
# A provider that asks for a longer pause is asked again after a day all the same: its header may be wrong.
LONGEST_PAUSE_S = 86_400.0
DAILY_LIMIT_REACHED = "daily_rate_limit_exceeded"
GONE = "gone"
BROKEN_OFF = "provider_broke_off"
NONSENSE = "provider_nonsense"
KEY_HELP = {401: "Check the provider's key in SSM.", 403: "Check what the provider's key in SSM may do."}
NO_KEY = "The provider's key is not in SSM: `make provider-key` stores it."
TRY_LATER = "Try again later."
UNAVAILABLE = "ProviderUnavailable"
# Refusals that may pass, each with what to do; all others of 4xx would come again.
PASSING_STATUSES = {
    **dict.fromkeys((408, 409, 425, 429), TRY_LATER),
    402: "Check the account at the provider.",
}
HIDDEN_KEY = b"[key]"
# OpenAI says "File 'file-1' is still being processed and is not ready to be used for fine-tuning", Azure that a file's
# import "is not completed"; others put it in other words and codes, with these statuses.
MAY_BE_EARLY = frozenset({400, 404, 409, 412, 422, 423, 425})
NAMES_FILE = re.compile(r"file", re.IGNORECASE)
NOT_READY = re.compile(
    r"\bnot\s+(?:yet\s+)?(?:been\s+)?(?:ready|processed|imported|completed)\b"
    r"|\b(?:still|being|currently)\s+(?:being\s+)?(?:process|import|validat|pending)",
    re.IGNORECASE,
)
NOT_READY_CODE = re.compile("file.*not(?:ready|processed|imported)|notready")
SHORTEST_SECRET = 16  # what is shorter is a word such as `EMPTY`, which self-hosted servers take for a key


class OpenAIClient:
    """A server on OpenAI's wire at `base_url`.

    The first call that needs the key reads it; one that isn't taken is read anew, at most every 30 s.
    """

    def __init__(self, base_url: str, read_key: Callable[[], str | None]) -> None:
        self._base_url = base_url
        self._read_key = read_key
        self._key_read_at = monotonic()

    @cached_property
    def _api_key(self) -> str:
        return self._fresh_key()

    @cached_property
    def _client(self) -> "OpenAI":
        from openai import OpenAI  # noqa: PLC0415 - see the module's docstring

        from tuneloop.providers.openai.deadlines import client_with_deadlines  # noqa: PLC0415

        network = client_with_deadlines(SUBMIT_S)
        return OpenAI(
            base_url=self._base_url, api_key=self._api_key, timeout=SUBMIT_S, max_retries=0, http_client=network
        )

    def prepare(self) -> None:
        """Import the SDK and read the key, if that was not done yet."""
        _ = self._client

    def close(self) -> None:
        """Let go of the connections."""
        if client := self.__dict__.pop("_client", None):
            client.close()

    def upload(self, name: str, content: IO[bytes]) -> bytes:
        """Send a file for fine-tuning; it may take as long as it goes on."""
        with self.call():
            files = self._client.files.with_raw_response
            return files.create(file=(name, content), purpose="fine-tune", timeout=SUBMIT_S).content

    def send_part(self, path: str, part: bytes) -> bytes:
        """Send a part of a file; it may take as long as it goes on."""
        with self.call():
            options: Any = {"timeout": SUBMIT_S, "headers": {"Content-Type": "multipart/form-data"}}
            return self._client.post(path, cast_to=bytes, files={"data": ("part", part)}, options=options)

    def events(self, path: str, body: dict[str, Any], timeout_s: float) -> Iterator[dict[str, Any]]:
        """Post, and give the events of the answer as they come; what stops them is ProviderUnavailable.

        The time is that of the whole answer, and counts only while one is asked for.
        """
        import openai  # noqa: PLC0415 - see the module's docstring

        ends, options, kind = monotonic() + timeout_s, {"timeout": timeout_s}, openai.Stream[dict[str, Any]]
        with self.call(timeout_s):
            sent: Any = self._client.post
            stream = sent(path, body=body, cast_to=dict, options=options, stream=True, stream_cls=kind)
        with closing(stream):
            while True:
                with self.call(ends - monotonic()), sensible():
                    event = next(stream, None)
                if event is None:
                    return
                yield event

    def rows(self, path: str, pages: int = MOST_LISTED // PAGE, **query: Any) -> Iterator[dict[str, Any]]:
        """The rows of a list, a page at a time."""
        for _ in range(pages):
            page = self._page(path, limit=PAGE, **query)
            rows = rows_of(page)
            yield from rows
            ids = [row["id"] for row in rows if isinstance(row.get("id"), str) and REPLACEMENT not in row["id"]]
            last = ids[-1] if ids else None  # the next page begins again with those behind it, which nothing names
            if page.get("has_more") is False or last in (None, query.get("after")):
                return
            query["after"] = last

    def _page(self, path: str, **query: Any) -> dict[str, Any]:
        """A page of a list; after a failure that may pass it is asked for once more, within its time."""
        ends = monotonic() + LIST_S
        try:
            return self.get(path, LIST_S, **query)
        except ProviderUnavailable as error:
            if error.code != ProviderUnavailable.code or ends - monotonic() <= PAUSE_S:
                raise
        sleep(PAUSE_S)
        return self.get(path, ends - monotonic(), **query)

    def get(self, path: str, timeout_s: float, *, not_found: str | None = None, **query: Any) -> dict[str, Any]:
        """What a path answers, its key hidden; `not_found` is the code of the refusal where nothing is there."""
        options: Any = {"timeout": timeout_s, "params": query}
        with self.call(timeout_s, not_found):
            body = self._client.get(path, cast_to=bytes, options=options)
        with sensible():
            return object_in(self.without_key(body))

    def post(self, path: str, body: dict[str, Any], timeout_s: float, *, names_files: bool = False) -> bytes:
        """What a path answers to a body, sent once; where that names files, they may not be ready yet."""
        with self.call(timeout_s, names_files=names_files):
            options: Any = {"timeout": timeout_s}
            return self._client.post(path, body=body, cast_to=bytes, options=options)

    def delete(self, path: str) -> None:
        """Delete what a path names; what is gone already is as good as deleted."""
        options: Any = {"timeout": LIST_S}
        try:
            with self.call(LIST_S, not_found=GONE):
                self._client.delete(path, cast_to=bytes, options=options)
        except ProviderRefused as error:
            if error.code != GONE:
                raise

    def without_key(self, said: bytes) -> bytes:
        """What a provider said of jobs and their events, but for our key: it is the operator's, and callers read this.

        A model's answers are left as they are: they are their users', and no model was ever told the key.
        """
        return said.replace(self._api_key.encode(), HIDDEN_KEY) if len(self._api_key) >= SHORTEST_SECRET else said

    @contextmanager
    def call(
        self, timeout_s: float | None = None, not_found: str | None = None, *, names_files: bool = False
    ) -> Iterator[None]:
        """A call within its time; the SDK's errors as ours, without the provider's text: it may quote what was sent."""
        import openai  # noqa: PLC0415 - see the module's docstring

        from tuneloop.providers.openai.deadlines import deadline  # noqa: PLC0415

        if timeout_s is not None and timeout_s <= 0:
            raise ProviderUnavailable("There was no time left to ask the provider.")
        try:
            with deadline(timeout_s):
                yield
        except openai.APIConnectionError as error:
            count(UNAVAILABLE)
            raise ProviderUnavailable(f"The provider can't answer now ({type(error).__name__}). {TRY_LATER}") from error
        except openai.APIStatusError as error:
            is_early = names_files and is_about_a_file_that_is_not_ready(error)
            translated = _not_ready(error) if is_early else _translate(error, not_found, self._api_key)
            if isinstance(error, openai.AuthenticationError):
                self._renew_key()
            raise translated from error
        except openai.APIError as error:  # an event of a stream that says that something went wrong
            count(UNAVAILABLE)
            raise ProviderUnavailable(f"The provider broke its answer off. {TRY_LATER}", code=BROKEN_OFF) from error

    def _renew_key(self) -> None:
        if monotonic() - self._key_read_at > KEY_KEPT_S:
            self._api_key = self._client.api_key = self._fresh_key()

    def _fresh_key(self) -> str:
        self._key_read_at = monotonic()
        key = self._read_key()
        if key is None:
            count(UNAVAILABLE)
            raise ProviderUnavailable(NO_KEY, code=KEY_MISSING)
        return key


def status_in(error: TuneloopError) -> int | None:
    """The status that a provider answered with, None where it didn't answer."""
    status = getattr(error.__cause__, "status_code", None)
    return status if isinstance(status, int) else None


def _translate(error: "APIStatusError", not_found: str | None, key: str) -> TuneloopError:
    status = error.status_code
    code, kind, param = (_word_in(said, key) for said in (error.code, error.type, error.param))
    what = f"{status} {code or kind or type(error).__name__}"
    if status in KEY_HELP:
        count(UNAVAILABLE)
        message = f"The provider doesn't take our key ({what}). {KEY_HELP[status]}"
        return ProviderUnavailable(message, code=KEY_REFUSED)
    if status in PASSING_STATUSES or not 400 <= status < 500:
        count(UNAVAILABLE)
        if code == DAILY_LIMIT_REACHED:
            message = f"The provider takes no more today ({what})."
            return ProviderUnavailable(message, code=DAILY_LIMIT, retry_after_s=_retry_after(error))
        message = f"The provider can't answer now ({what}). {PASSING_STATUSES.get(status, TRY_LATER)}"
        return ProviderUnavailable(message, retry_after_s=_retry_after(error))
    # A proxy's own 404 page says nothing about the thing that was asked for.
    unknown = not_found if status == 404 and isinstance(error.body, dict) else None
    return ProviderRefused(f"The provider refused the call: {what}.", param=param, code=unknown)


def is_about_a_file_that_is_not_ready(error: "APIStatusError") -> bool:
    """Whether a server refuses a call because it is still importing a file that the call names."""
    code = str(error.code or "").replace("_", "").lower()
    says_so = NOT_READY_CODE.search(code) or (NAMES_FILE.search(error.message) and NOT_READY.search(error.message))
    return error.status_code in MAY_BE_EARLY and bool(says_so)


def _not_ready(error: "APIStatusError") -> ProviderRefused:
    message = f"The provider refused the call: {error.status_code} {FILE_NOT_READY}."
    return ProviderRefused(message, param=safe_code(error.param), code=FILE_NOT_READY)


def _retry_after(error: "APIStatusError") -> float | None:
    """The seconds for which a provider wants to be left alone; a date, the other form of it, is not looked at."""
    said = error.response.headers.get("retry-after", "")
    return min(float(said), LONGEST_PAUSE_S) if said.isascii() and said.isdigit() else None


def _word_in(said: object, key: str) -> str | None:
    """What a provider said if it is one plain word, and not our key."""
    word = safe_code(said)
    return None if word and len(key) >= SHORTEST_SECRET and key in word else word


@contextmanager
def sensible() -> Iterator[None]:
    """Read an answer; what can't be read in it is ProviderUnavailable."""
    try:
        yield
    except ValueError as error:
        count(UNAVAILABLE)
        message = f"The provider gave an answer that makes no sense. {TRY_LATER}"
        raise ProviderUnavailable(message, code=NONSENSE) from error


def rows_of(page: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of a list's page."""
    rows = page.get("data")
    with sensible():
        if not isinstance(rows, list):
            raise ValueError("a list without its rows")
    return [row for row in rows if isinstance(row, dict)]


def id_in(fields: dict[str, Any]) -> str:
    """The id of a thing."""
    with sensible():
        identity = fields.get("id")
        if not isinstance(identity, str) or not identity or REPLACEMENT in identity:
            raise ValueError("a thing without an id that names it")
    return identity
