"""The front door of the local API: `/v1/...` at a short URL, with the limits that AWS sets and MiniStack doesn't.

API Gateway takes 10 MB and waits 30 s; Lambda takes 6 MB of event and gives back 6 MB. Beyond them the answers here are
the ones that an HTTP API gives. Stateless; it adds about a millisecond.
"""

import argparse
import asyncio
import json
from base64 import b64encode

import httpx2
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

GATEWAY_REQUEST_BYTES = 10 * 1024 * 1024
LAMBDA_REQUEST_BYTES = 6 * 1024 * 1024
LAMBDA_RESPONSE_BYTES = LAMBDA_REQUEST_BYTES + 100
INTEGRATION_TIMEOUT_S = 30.0
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
HOP_HEADERS = {b"connection", b"content-length", b"date", b"host", b"keep-alive", b"server", b"transfer-encoding"}


def make_app(upstream: str, *, timeout_s: float = INTEGRATION_TIMEOUT_S) -> Starlette:
    """An ASGI app that forwards every request to `upstream` + its own path, within the limits."""
    client = httpx2.AsyncClient(timeout=None, limits=httpx2.Limits(max_connections=None))  # noqa: S113 - bounded below

    async def forward(request: Request) -> Response:
        body = await request.body()
        if len(body) > GATEWAY_REQUEST_BYTES or _event_bytes(request, body) > LAMBDA_REQUEST_BYTES:
            return _refusal(413, "Request Entity Too Large")
        try:
            async with asyncio.timeout(timeout_s):
                status, headers, content = await _fetch(client, upstream, request, body)
        except (TimeoutError, httpx2.TransportError):
            return _refusal(503, "Service Unavailable")
        if _json_bytes(content) > LAMBDA_RESPONSE_BYTES:
            return _refusal(500, "Internal Server Error")
        response = Response(content, status)
        response.raw_headers += headers
        return response

    return Starlette(routes=[Route("/{path:path}", forward, methods=METHODS)])


async def _fetch(
    client: httpx2.AsyncClient, upstream: str, request: Request, body: bytes
) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    raw_path: bytes = request.scope["raw_path"]
    query = f"?{request.url.query}" if request.url.query else ""
    outgoing = client.build_request(
        request.method, f"{upstream}{raw_path.decode()}{query}", content=body, headers=_end_to_end(request.headers.raw)
    )
    response = await client.send(outgoing, stream=True)
    try:
        content = b"".join([chunk async for chunk in response.aiter_raw()])
    finally:
        await response.aclose()
    return response.status_code, _end_to_end(response.headers.raw), content


def _end_to_end(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return [(name.lower(), value) for name, value in headers if name.lower() not in HOP_HEADERS]


def _event_bytes(request: Request, body: bytes) -> int:
    """About how long Lambda's event is: the headers, and the body as the JSON string that carries it."""
    return sum(len(name) + len(value) for name, value in request.headers.raw) + _json_bytes(body)


def _json_bytes(body: bytes) -> int:
    if len(body) * 6 < LAMBDA_REQUEST_BYTES:  # however it is written, a byte takes six at most
        return len(body)
    try:
        return len(json.dumps(body.decode(), ensure_ascii=False).encode())
    except UnicodeDecodeError:
        return len(b64encode(body))


def _refusal(status: int, message: str) -> Response:
    return JSONResponse({"message": message}, status)


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--upstream", required=True, help="the API's address at MiniStack, without a trailing slash")
    arguments = parser.parse_args()
    uvicorn.run(make_app(arguments.upstream), port=arguments.port, log_level="warning", lifespan="off")


if __name__ == "__main__":
    main()
