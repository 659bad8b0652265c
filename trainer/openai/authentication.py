"""Authentication in front of all routes of OpenAI's wire, with the limit of a body's size and an id per request."""

import hmac
import secrets

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trainer.openai.errors import RefusalError, error_response
from tuneloop.openai_wire.files import FILE_LIMIT_BYTES

# The largest file, plus room for the form around it.
MAX_BODY_BYTES = FILE_LIMIT_BYTES + 64 * 1024
_WRONG_KEY = RefusalError(401, "invalid_api_key", "Incorrect or missing API key.")
_TOO_LARGE = RefusalError(413, "file_too_large", f"A file may have at most {FILE_LIMIT_BYTES} bytes.", "file")


class RequestAuthentication:
    """ASGI middleware that checks the API key; without a key anyone may call."""

    def __init__(self, app: ASGIApp, api_key: str | None = None) -> None:
        if api_key is not None and not api_key.strip():
            raise ValueError("an empty key would let everyone in: give none for that")
        self._app = app
        self._expected = api_key.encode() if api_key is not None else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with an id, or answer 401 or 413 without reading its body."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = f"req_{secrets.token_hex(12)}"
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_with_id(message: Message) -> None:
            """Send a part of the answer, with the request's id in its head."""
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["x-request-id"] = request_id
            await send(message)

        refusal = self._refusal_of(Headers(scope=scope))
        app = error_response(refusal, request_id) if refusal else self._app
        await app(scope, receive, send_with_id)

    def _refusal_of(self, headers: Headers) -> RefusalError | None:
        if self._expected is not None and not _holds_key(headers.getlist("authorization"), self._expected):
            return _WRONG_KEY
        return _TOO_LARGE if int(headers.get("content-length", "0")) > MAX_BODY_BYTES else None


def _holds_key(authorizations: list[str], expected: bytes) -> bool:
    """Whether the Authorization header holds the key, as `Bearer KEY` with the scheme in any case.

    A request with a second such header is refused, since a proxy may have checked the other one.
    """
    if len(authorizations) != 1:
        return False
    scheme, _, key = authorizations[0].strip(" \t").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(key.strip(" \t").encode(), expected)
