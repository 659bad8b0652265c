"""Calls to Amazon Bedrock by boto3, with AWS's errors translated into ours by their codes, never by their sentences.

AWS's own retries are off: whoever makes a call repeats it, within the time that is left. A boto3 client's time-outs are
fixed when it is made, so there is one client for each whole second that a call may take.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from tuneloop.domain.core.errors import ProviderRefused, ProviderUnavailable, TuneloopError
from tuneloop.domain.core.redaction import safe_code
from tuneloop.observability import count
from tuneloop.providers.port import KEY_REFUSED, QUOTA_REACHED

# Seconds for a call that names no time of its own, connecting included: within the 25 s that an answer has.
CALL_S = 20.0
# Of a call's time at most a quarter goes to connecting: an endpoint of AWS that takes longer is not there.
CONNECT_S = 2.0
# Less time is hardly enough to connect: such a call would only be counted as a failure of Bedrock.
LEAST_S = 0.2
PAGE_ROWS = 100
# A thousand jobs, newest first: bounds a look for one run's jobs in an account that has very many.
MOST_PAGES = 10
# A quota is free again when another job has ended or AWS has raised it, which takes from minutes to days.
QUOTA_S = 900.0
UNAVAILABLE = "ProviderUnavailable"
TRY_LATER = "Try again later."
NO_ACCESS = "Check what the stage's roles may do, and that the account may use this model in this region."
DENIED_CODES = frozenset(
    {"AccessDenied", "UnrecognizedClient", "ExpiredToken", "InvalidSignature", "IncompleteSignature"}
)
QUOTA_CODES = frozenset({"ServiceQuotaExceeded", "TooManyTags"})
GONE_CODES = frozenset({"ResourceNotFound"})
# A conflict is something that is under way, such as a deployment that still names a model: it passes.
PASSING_CODES = frozenset(
    {"Throttling", "TooManyRequests", "ModelNotReady", "ServiceUnavailable", "ModelTimeout", "ModelError", "Conflict"}
    | {"ModelStreamError", "InternalServer", "RequestTimeout", "InternalFailure"}
)
FIRST_REFUSED = 400
FIRST_FAILED = 500


class BedrockClient:
    """The clients of one process, by service and by the seconds that a call may take."""

    def __init__(self) -> None:
        self._session: Any = None
        self._clients: dict[tuple[str, float], Any] = {}
        self._making = Lock()  # a session isn't made to be used by several threads at once; its clients are

    @property
    def region(self) -> str:
        """The region that is asked: that of the function, and so of the data bucket."""
        with self._making:
            return str(self._open_session().region_name)

    def client(self, service: str, timeout_s: float = CALL_S) -> Any:
        """A client whose calls are over after `timeout_s`; ProviderUnavailable where no time is left."""
        if timeout_s < LEAST_S:
            raise ProviderUnavailable("There was no time left to ask the provider.")
        seconds = float(int(timeout_s)) if timeout_s >= 1 else LEAST_S
        with self._making:
            if (service, seconds) not in self._clients:
                connect_s = min(CONNECT_S, seconds / 4)
                once: Any = {"mode": "standard", "total_max_attempts": 1}
                config = Config(connect_timeout=connect_s, read_timeout=seconds - connect_s, retries=once)
                self._clients[service, seconds] = self._open_session().client(service, config=config)
            return self._clients[service, seconds]

    def close(self) -> None:
        """Let go of the connections."""
        with self._making:
            for client in self._clients.values():
                client.close()
            self._clients.clear()

    def rows(self, operation: str, rows: str, pages: int = MOST_PAGES, **query: Any) -> Iterator[dict[str, Any]]:
        """The rows of a list of `bedrock`, a page at a time."""
        for _ in range(pages):
            with translate_errors():
                page = getattr(self.client("bedrock"), operation)(maxResults=PAGE_ROWS, **query)
            yield from page.get(rows, [])
            if not (token := page.get("nextToken")):
                return
            query["nextToken"] = token

    def _open_session(self) -> Any:
        if self._session is None:
            self._session = boto3.session.Session()
        return self._session


@contextmanager
def translate_errors(not_found: str | None = None) -> Iterator[None]:
    """Translate AWS's errors into ours; `not_found` is the code of the refusal where a resource doesn't exist."""
    try:
        yield
    except ClientError as error:
        raise _translate(error, not_found) from error
    except ParamValidationError as error:
        raise ProviderRefused("Bedrock takes no call of this form.", code="invalid_call") from error
    except BotoCoreError as error:
        count(UNAVAILABLE)
        raise ProviderUnavailable(f"Bedrock can't answer now ({type(error).__name__}). {TRY_LATER}") from error


@contextmanager
def gone_is_fine() -> Iterator[None]:
    """Translate AWS's errors into ours, and ignore that a resource doesn't exist: it is to be removed anyway."""
    try:
        with translate_errors():
            yield
    except ProviderRefused as error:
        if not is_gone(error):
            raise


@contextmanager
def retry_quotas() -> Iterator[None]:
    """Turn the refusal of a reached quota into ProviderUnavailable, as it passes: jobs end, or AWS raises the quota."""
    try:
        yield
    except ProviderRefused as error:
        if error.code != QUOTA_REACHED:
            raise
        raise ProviderUnavailable(f"{error.message} {TRY_LATER}", retry_after_s=QUOTA_S) from error


def is_gone(error: ProviderRefused) -> bool:
    """Whether AWS refused because the resource doesn't exist."""
    return isinstance(error.__cause__, ClientError) and code_in(error.__cause__) in GONE_CODES


def code_in(error: ClientError) -> str:
    """AWS's error code, without its ending `Exception`."""
    code = safe_code(error.response.get("Error", {}).get("Code")) or "Unknown"
    code = code[:1].upper() + code[1:]  # the events of a stream begin in lower case
    return code.removesuffix("Exception")


def _translate(error: ClientError, not_found: str | None) -> TuneloopError:
    code = code_in(error)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", FIRST_REFUSED)
    if code in DENIED_CODES:
        count(UNAVAILABLE)
        message = f"Bedrock lets us not do this ({code}). {NO_ACCESS}"
        return ProviderUnavailable(message, code=KEY_REFUSED)
    if code in QUOTA_CODES:
        return ProviderRefused(f"The account has reached a quota of Bedrock ({code}).", code=QUOTA_REACHED)
    if code in PASSING_CODES or status >= FIRST_FAILED:
        count(UNAVAILABLE)
        return ProviderUnavailable(f"Bedrock can't answer now ({code}). {TRY_LATER}")
    return ProviderRefused(f"Bedrock refused the call: {code}.", code=not_found if code in GONE_CODES else None)
