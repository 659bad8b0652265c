"""Deadlines: a call to a provider ends when its time is over, however slowly the answer drips in.

HTTP libraries limit each operation on a socket, so a server that sends a byte now and then holds a call for ever. Here
every operation gets no more than what is left for the whole call; only looking up a name has limits of its own, the
system's. Imported with the SDK and not before, as it brings the HTTP library.
"""

import socket
import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import monotonic

import httpcore2
import httpx2
from openai import DefaultHttpx2Client

# Seconds for each address of a host: one that is not reachable must leave time for the next.
CONNECT_S = 5.0
# Bytes that are written at once. Within a piece each part that the peer takes starts the limit anew, so that a peer
# which takes a byte now and then can draw out no more than a piece.
WRITE_BYTES = 1 << 16
_ends: ContextVar[float | None] = ContextVar("ends", default=None)


@contextmanager
def deadline(seconds: float | None) -> Iterator[None]:
    """Let all that this thread asks of a network within the block be over `seconds` from now."""
    ends = _ends.set(None if seconds is None else monotonic() + seconds)
    try:
        yield
    finally:
        _ends.reset(ends)


def client_with_deadlines(timeout_s: float) -> httpx2.Client:
    """The SDK's own HTTP client, proxies of the environment included, on a network that keeps to deadlines."""
    client: httpx2.Client = DefaultHttpx2Client(timeout=timeout_s)
    for transport in (client._transport, *client._mounts.values()):
        if isinstance(transport, httpx2.HTTPTransport):
            transport._pool._network_backend = _Network()  # a pool takes one in its constructor, which httpx2 calls
    return client


class _Network(httpcore2.SyncBackend):
    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        """Connect to the first address that answers; each has only its part of what is left."""
        failure: Exception = httpcore2.ConnectError(f"{host} has no address")
        for address in _addresses(host, port):
            limit = _time_left(timeout)
            limit = CONNECT_S if limit is None else min(limit, CONNECT_S)
            try:
                return _Stream(super().connect_tcp(address, port, limit, local_address, socket_options))
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure


class _Stream(httpcore2.NetworkStream):
    """A connection whose every read and write ends by the deadline in force."""

    def __init__(self, inner: httpcore2.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Up to so many bytes, within what is left of the deadline."""
        return self._inner.read(max_bytes, _time_left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all bytes, piece by piece: within a piece, each part that the peer takes starts the limit anew."""
        for start in range(0, len(buffer), WRITE_BYTES):
            self._inner.write(buffer[start : start + WRITE_BYTES], _time_left(timeout))

    def close(self) -> None:
        """Close the connection."""
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        """The connection under TLS, its handshake within what is left of the deadline."""
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, _time_left(timeout)))

    def get_extra_info(self, info: str) -> object:
        """What the connection beneath tells of itself."""
        return self._inner.get_extra_info(info)


def _addresses(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise httpcore2.ConnectError(str(error)) from error
    return [str(address[0]) for *_, address in found]


def _time_left(timeout: float | None) -> float | None:
    ends = _ends.get()
    if ends is None:
        return timeout
    left = ends - monotonic()
    if left <= 0:
        raise httpcore2.ReadTimeout("the call's time is over")
    return left if timeout is None else min(left, timeout)
