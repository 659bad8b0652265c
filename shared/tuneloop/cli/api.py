"""The API as the command calls it: address and key from the environment, refusals as our own errors."""

import os
import time
from collections.abc import Iterator
from typing import Any, Self

import httpx2

from tuneloop.domain.core.addresses import url_fault
from tuneloop.domain.core.errors import Busy, InvalidInput, OutOfTime, ProviderUnavailable, TuneloopError
from tuneloop.domain.training.runs import TERMINAL, RunStatus

# A gateway ends a call at 30 s (HTTP API), so that its answer, or its 503, is always waited for.
TIMEOUT_S = 35.0
# A function that starts cold on a busy account may answer too late once, hardly ever twice; who waits at a terminal is
# told after three tries what was said.
REPEATS = 2
REPEATED_AFTER_S = 1.0
PASSING = frozenset({OutOfTime.code, Busy.code})  # the codes of a 503 that passes when the call is sent again
RETRY_COUNT = "X-Stainless-Retry-Count"  # by which the API knows a repeat, and makes nothing a second time for it
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
        """A training run and its events, read every `every_s` seconds; the last reading is that of its end."""
        while True:
            reading = self.get(f"/training-runs/{run}")
            yield reading, self.get(f"/training-runs/{run}/events")["data"]
            if RunStatus(reading["status"]) in TERMINAL:
                return
            time.sleep(every_s)

    def _send(self, method: str, path: str, **options: Any) -> Any:
        """The parsed answer to a call, sent again at most `REPEATS` times where the API says that this will help."""
        repeat = 0
        while not (answer := self._answer(method, path, headers={RETRY_COUNT: str(repeat)}, **options)).is_success:
            refusal = _refusal(answer)
            if refusal.code not in PASSING or repeat == REPEATS:
                raise refusal
            repeat += 1
            time.sleep(REPEATED_AFTER_S)
        return answer.json()

    def _answer(self, method: str, path: str, **options: Any) -> httpx2.Response:
        try:
            return self._http.request(method, path, **options)
        except httpx2.TransportError as error:
            message = f"{self._http.base_url} can't be reached ({type(error).__name__})."
            raise ProviderUnavailable(message, code="unreachable") from error


def base_url() -> str:
    """The API's address from TUNELOOP_BASE_URL, `/v1` included; InvalidInput where it is none."""
    url = required_variable("TUNELOOP_BASE_URL").strip().rstrip("/")
    if not url.startswith(("https://", "http://")) or not url.endswith("/v1"):
        rule = "TUNELOOP_BASE_URL must be an http(s) address that ends in /v1, as `make deploy` and `make local` print."
        raise InvalidInput(rule, code="not_configured")
    if fault := url_fault(url):
        raise InvalidInput(f"TUNELOOP_BASE_URL {fault}.", code="not_configured")
    return url


def required_variable(name: str) -> str:
    """The value of an environment variable; InvalidInput with how to set it where it is missing."""
    if not (value := os.environ.get(name)):
        raise InvalidInput(NOT_SET.format(name=name), code="not_configured")
    return value


def _refusal(answer: httpx2.Response) -> ApiRefusal:
    try:
        error = answer.json()["error"]
    except (ValueError, KeyError, TypeError):
        return ApiRefusal(f"The API answered {answer.status_code}.", code=f"http_{answer.status_code}")
    return ApiRefusal(error["message"], code=error["code"], param=error.get("param"))
