"""A server that takes calls and answers none."""

import socket
from threading import Event, Thread


class Hanging:
    """A server that takes every connection and never answers; tells how many came."""

    def __init__(self) -> None:
        self.connections: list[socket.socket] = []
        self.over = Event()
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.socket.settimeout(0.05)
        self.thread = Thread(target=self._accept)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.socket.getsockname()[1]}"

    def close(self) -> None:
        self.over.set()
        self.thread.join()
        for each in (*self.connections, self.socket):
            each.close()

    def _accept(self) -> None:
        while not self.over.is_set():
            try:
                self.connections.append(self.socket.accept()[0])
            except TimeoutError:
                continue
