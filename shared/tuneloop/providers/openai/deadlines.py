"""Deadlines: a call to a provider ends when its time is over, however slowly the answer comes in.

HTTP libraries limit each operation on a socket, so a server that sends a byte now and then can hold a call for ever.
Here every operation is limited to the time that is left for the whole call. Only the look-up of a host's name isn't: it
has the limits of the system. The module is imported with the SDK and not before, as it imports the HTTP library.
"""

import socket
import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import monotonic
from typing import Any

import httpcore2
import httpx2
from openai import DefaultHttpx2Client

# Seconds for each address of a host: an address that is not reachable must leave time for the next.
CONNECT_S = 5.0
# Bytes of one write. Within a write the limit starts anew with each part that the peer takes, so a peer that takes a
# byte now and then can draw out one write and no more.
WRITE_BYTES = 1 << 16
_ends: ContextVar[float | None] = ContextVar("ends", default=None)


@contextmanager
def deadline(seconds: float | None) -> Iterator[None]:
    """End all network operations of this thread within the block `seconds` from now; None sets no deadline."""
    ends = _ends.set(None if seconds is None else monotonic() + seconds)
    try:
        yield
    finally:
        _ends.reset(ends)


def client_with_deadlines(timeout_s: float) -> httpx2.Client:
    """The SDK's own HTTP client, proxies of the environment included, on a network that keeps to deadlines."""
    client: httpx2.Client = DefaultHttpx2Client(timeout=timeout_s)
    for transport in (client._transport, *client._mounts.values()):
        if transport is not None:  # None: `NO_PROXY` names a host that goes over the first one
            _replace_network(transport)
    return client


def _replace_network(transport: httpx2.BaseTransport) -> None:
    """Let a transport connect through `_Network`; RuntimeError where this release of httpx2 is built otherwise.

    Only the pool's constructor takes a network backend, and httpx2 calls that constructor itself. An attribute that
    nobody reads would be set in silence, and calls would have no deadline: so it must be there before.
    """
    pool: Any = getattr(transport, "_pool", None)
    if not isinstance(getattr(pool, "_network_backend", None), httpcore2.NetworkBackend):
        raise RuntimeError(
            f"httpx2 {httpx2.__version__} has no `_pool._network_backend` in its {type(transport).__name__}, so calls "
            "to providers would have no deadline. Install the release that requirements/layer.txt names."
        )
    pool._network_backend = _Network()


class _Network(httpcore2.SyncBackend):
    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        """Connect to the first address that answers; each address gets at most CONNECT_S of the time left."""
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
        """Read at most `max_bytes`, within the time left."""
        return self._inner.read(max_bytes, _time_left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all bytes, in writes of WRITE_BYTES, each within the time left."""
        for start in range(0, len(buffer), WRITE_BYTES):
            self._inner.write(buffer[start : start + WRITE_BYTES], _time_left(timeout))

    def close(self) -> None:
        """Close the connection."""
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        """The connection under TLS, after a handshake within the time left."""
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, _time_left(timeout)))

    def get_extra_info(self, info: str) -> object:
        """Information about the underlying connection, by httpcore's name for it."""
        return self._inner.get_extra_info(info)


def _addresses(host: str, port: int) -> list[str]:
    try:
        results = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise httpcore2.ConnectError(str(error)) from error
    return [str(address[0]) for *_, address in results]


def _time_left(timeout: float | None) -> float | None:
    ends = _ends.get()
    if ends is None:
        return timeout
    left = ends - monotonic()
    if left <= 0:
        raise httpcore2.ReadTimeout("the call's time is over")
    return left if timeout is None else min(left, timeout)
