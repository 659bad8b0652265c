"""The proxy before the local API: serves `/v1/...` at a short URL, with the limits that AWS sets and MiniStack doesn't.

API Gateway takes 10 MB and waits 30 s; Lambda takes an event of 6 MB and returns 6 MB. Beyond these limits the proxy
answers as an HTTP API does. It is plain ASGI without state, because every call of every test goes through it.
"""

import argparse
import asyncio
import json
from base64 import b64encode
from typing import Self

import httpx2
import uvicorn
from starlette.types import Receive, Scope, Send

# The quotas of API Gateway's HTTP APIs and of Lambda's synchronous calls, whose answers may be 100 bytes longer.
GATEWAY_REQUEST_BYTES = 10 * 1024 * 1024
LAMBDA_REQUEST_BYTES = 6 * 1024 * 1024
LAMBDA_RESPONSE_BYTES = LAMBDA_REQUEST_BYTES + 100
INTEGRATION_TIMEOUT_S = 30.0
# Headers that belong to one connection, or that whoever answers writes itself.
HOP_HEADERS = {b"connection", b"content-length", b"date", b"host", b"keep-alive", b"server", b"transfer-encoding"}

Headers = list[tuple[bytes, bytes]]
Answer = tuple[int, Headers, bytes]


class Proxy:
    """An ASGI app that forwards every request to `upstream` and its path, within the limits; use it in `async with`."""

    def __init__(self, upstream: str, *, timeout_s: float = INTEGRATION_TIMEOUT_S) -> None:
        self._upstream, self._timeout_s = upstream, timeout_s
        self._client = httpx2.AsyncClient(timeout=None, limits=httpx2.Limits(max_connections=None))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._client.aclose()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        status, headers, content = await self._answer(scope, await _read_body(receive))
        headers = [*headers, (b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    async def _answer(self, scope: Scope, body: bytes) -> Answer:
        if len(body) > GATEWAY_REQUEST_BYTES or _event_bytes(scope["headers"], body) > LAMBDA_REQUEST_BYTES:
            return _refusal(413, "Request Entity Too Large")
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await self._forward(scope, body)
        except (TimeoutError, httpx2.TransportError):
            return _refusal(503, "Service Unavailable")
        if _json_bytes(answer[2]) > LAMBDA_RESPONSE_BYTES:
            return _refusal(500, "Internal Server Error")
        return answer

    async def _forward(self, scope: Scope, body: bytes) -> Answer:
        query = f"?{scope['query_string'].decode()}" if scope["query_string"] else ""
        url = f"{self._upstream}{scope['raw_path'].decode()}{query}"
        request = self._client.build_request(scope["method"], url, content=body, headers=_end_to_end(scope["headers"]))
        response = await self._client.send(request, stream=True)
        try:
            content = b"".join([chunk async for chunk in response.aiter_raw()])
        finally:
            await response.aclose()
        return response.status_code, _end_to_end(response.headers.raw), content


async def _read_body(receive: Receive) -> bytes:
    chunks, more = [], True
    while more:
        message = await receive()
        chunks.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(chunks)


def _end_to_end(headers: Headers) -> Headers:
    return [(name, value) for name, value in headers if name.lower() not in HOP_HEADERS]


def _event_bytes(headers: Headers, body: bytes) -> int:
    """The approximate length of Lambda's event: the headers, and the body as the JSON string that carries it."""
    return sum(len(name) + len(value) for name, value in headers) + _json_bytes(body)


def _json_bytes(body: bytes) -> int:
    """The bytes of a body inside JSON, as base64 if it is no UTF-8; of a small body its own length, which is enough."""
    if len(body) * 6 < LAMBDA_REQUEST_BYTES:  # JSON writes a byte as six at most, so this body is within the limit
        return len(body)
    try:
        return len(json.dumps(body.decode(), ensure_ascii=False).encode())
    except UnicodeDecodeError:
        return len(b64encode(body))


def _refusal(status: int, message: str) -> Answer:
    return status, [(b"content-type", b"application/json")], json.dumps({"message": message}).encode()


async def serve(port: int, upstream: str) -> None:
    """Serve the API of `upstream` at `port`, on this machine's own address, until a signal ends it."""
    async with Proxy(upstream) as proxy:
        await uvicorn.Server(uvicorn.Config(proxy, port=port, log_level="warning", lifespan="off")).serve()


def main() -> None:
    """Serve with the port and upstream of the command line."""
    parser = argparse.ArgumentParser(description="Fronts the local API with AWS's limits.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--upstream", required=True, help="the API's address at MiniStack, without a trailing slash")
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.port, arguments.upstream))


if __name__ == "__main__":
    main()
