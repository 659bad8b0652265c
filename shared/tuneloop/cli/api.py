"""The command's client of the API: address and key come from the environment, and refusals are raised as errors."""

import os
import time
from collections.abc import Iterator
from typing import Any, Self

import httpx2

from tuneloop.domain.core.addresses import url_fault
from tuneloop.domain.core.errors import Busy, InvalidInput, OutOfTime, ProviderUnavailable, TuneloopError
from tuneloop.domain.training.runs import TERMINAL, RunStatus

# API Gateway ends a call after 30 s (HTTP API), so the client waits a little longer for its answer or its 503.
TIMEOUT_S = 35.0
# A function that starts cold on a busy account may answer too late once, but hardly ever twice. After three tries, the
# user at the terminal gets the answer as it is.
RETRIES = 2
RETRY_AFTER_S = 1.0
RETRYABLE_CODES = frozenset({OutOfTime.code, Busy.code})  # codes of a 503 that a second call is likely not to get
# The header by which the API recognizes a retry, so that it doesn't create anything twice.
RETRY_COUNT = "X-Stainless-Retry-Count"
NOT_SET = "Set {name}. `make local` prints it; on AWS `make deploy` does, and `tuneloop keys create` makes a key."


class ApiRefusal(TuneloopError):
    """The API answered with an error; code and message are its own."""


class ApiClient:
    """A client of the API's `/v1`, with one API key."""

    def __init__(self, base_url: str, api_key: str) -> None:
        headers = {"Authorization": f"Bearer {api_key}"}
        self._http = httpx2.Client(base_url=base_url, headers=headers, timeout=TIMEOUT_S)

    @classmethod
    def from_environment(cls) -> "ApiClient":
        """The API at TUNELOOP_BASE_URL with the key in TUNELOOP_API_KEY."""
        return cls(base_url(), required_variable("TUNELOOP_API_KEY"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str, **query: Any) -> Any:
        """The parsed answer to a GET."""
        return self._send("GET", path, params={name: value for name, value in query.items() if value is not None})

    def post(self, path: str, body: Any) -> Any:
        """The parsed answer to a POST of JSON."""
        return self._send("POST", path, json=body)

    def put(self, path: str, body: Any) -> Any:
        """The parsed answer to a PUT of JSON."""
        return self._send("PUT", path, json=body)

    def delete(self, path: str) -> Any:
        """The parsed answer to a DELETE."""
        return self._send("DELETE", path)

    def follow(self, run: str, every_s: float = 1.0) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
        """Yield a training run with its events every `every_s` seconds, until and including when it has ended."""
        while True:
            state = self.get(f"/training-runs/{run}")
            yield state, self.get(f"/training-runs/{run}/events")["data"]
            if RunStatus(state["status"]) in TERMINAL:
                return
            time.sleep(every_s)

    def _send(self, method: str, path: str, **options: Any) -> Any:
        """The parsed answer to a call, which is retried at most `RETRIES` times if the API says that it may help."""
        retry = 0
        while not (answer := self._answer(method, path, headers={RETRY_COUNT: str(retry)}, **options)).is_success:
            refusal = _refusal(answer)
            if refusal.code not in RETRYABLE_CODES or retry == RETRIES:
                raise refusal
            retry += 1
            time.sleep(RETRY_AFTER_S)
        return answer.json()

    def _answer(self, method: str, path: str, **options: Any) -> httpx2.Response:
        try:
            return self._http.request(method, path, **options)
        except httpx2.TransportError as error:
            message = f"{self._http.base_url} can't be reached ({type(error).__name__})."
            raise ProviderUnavailable(message, code="unreachable") from error


def base_url() -> str:
    """The API's address in TUNELOOP_BASE_URL, including `/v1`; InvalidInput if it isn't such an address."""
    url = required_variable("TUNELOOP_BASE_URL").strip().rstrip("/")
    if not url.startswith(("https://", "http://")) or not url.endswith("/v1"):
        rule = "TUNELOOP_BASE_URL must be an http(s) address that ends in /v1, as `make deploy` and `make local` print."
        raise InvalidInput(rule, code="not_configured")
    if fault := url_fault(url):
        raise InvalidInput(f"TUNELOOP_BASE_URL {fault}.", code="not_configured")
    return url


def required_variable(name: str) -> str:
    """The value of an environment variable; InvalidInput, which says how to set it, if it is missing."""
    if not (value := os.environ.get(name)):
        raise InvalidInput(NOT_SET.format(name=name), code="not_configured")
    return value


def _refusal(answer: httpx2.Response) -> ApiRefusal:
    try:
        error = answer.json()["error"]
    except (ValueError, KeyError, TypeError):
        return ApiRefusal(f"The API answered {answer.status_code}.", code=f"http_{answer.status_code}")
    return ApiRefusal(error["message"], code=error["code"], param=error.get("param"))
