"""The gate in front of every route: it knows the key, and gives each request an id that its answer carries."""

import hmac
import secrets

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trainer.refusals import RefusalError, rendered

_WRONG_KEY = RefusalError(401, "invalid_api_key", "Incorrect or missing API key.")


class Gate:
    """An ASGI app around another; without a key everyone may pass."""

    def __init__(self, app: ASGIApp, api_key: str | None = None) -> None:
        self._app = app
        self._expected = f"Bearer {api_key}".encode() if api_key else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through with its id, or answer it here with 401."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = f"req_{secrets.token_hex(12)}"
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["x-request-id"] = request_id
            await send(message)

        app = self._app if self._may_pass(scope) else rendered(_WRONG_KEY, request_id)
        await app(scope, receive, send_with_id)

    def _may_pass(self, scope: Scope) -> bool:
        given = Headers(scope=scope).get("authorization", "").encode()
        return self._expected is None or hmac.compare_digest(given, self._expected)
