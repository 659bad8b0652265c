"""`python -m trainer --port 4570 --data DIR`: a fine-tuning server that really trains, on this machine.

It speaks OpenAI's wire below `/v1`, and Amazon Bedrock's REST API beside it.
"""

import argparse
import signal
import socket
import sys
from contextlib import suppress
from datetime import date
from pathlib import Path

import uvicorn

from trainer.context import TrainerOptions
from trainer.server import create_app
from trainer.storage.home import acquire_lock
from trainer.storage.models import BASE_MODELS


def main() -> None:
    """Parse the arguments and serve until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m trainer", description=__doc__)
    parser.add_argument(
        "--data", type=Path, required=True, help="folder for files, jobs and models; created if missing"
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=4570, help="0 picks a free one")
    parser.add_argument("--api-key", type=_key, help="the key that clients must send; without it anyone may call")
    parser.add_argument(
        "--without-metadata", action="store_true", help="ignore the metadata of jobs, as some servers do"
    )
    parser.add_argument(
        "--shutdown-date",
        action="append",
        default=[],
        type=_shutdown,
        metavar="MODEL=YYYY-MM-DD",
        help="announce the shutdown of a base model and of the models tuned from it; may be repeated",
    )
    parser.add_argument(
        "--settle-s",
        type=float,
        default=TrainerOptions().settle_s,
        help="seconds that Bedrock's deployments take to be created, and its jobs to be stopped",
    )
    arguments = parser.parse_args()
    _handle_signals()
    folder = arguments.data.resolve()
    try:
        lock = acquire_lock(folder, "server", wait=False)
    except BlockingIOError:
        parser.exit(1, f"Another trainer is using {folder}.\n")
    try:
        listener = socket.create_server((arguments.host, arguments.port))
    except OSError as error:
        parser.exit(1, f"Cannot listen on {arguments.host}:{arguments.port}: {error.strerror}.\n")
    with lock, listener, suppress(KeyboardInterrupt):
        options = TrainerOptions(not arguments.without_metadata, dict(arguments.shutdown_date), arguments.settle_s)
        serve(folder, listener, arguments.api_key, options)


def _handle_signals() -> None:
    """Let Ctrl-C and the end of the terminal shut the trainer down in good order, as SIGTERM does."""
    # A shell script makes its background processes ignore SIGINT, and Python then leaves it ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:  # `nohup` makes it ignored, on purpose
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))


def _key(text: str) -> str:
    """Parse an API key; an empty one, as an unset variable gives, is refused, since it would let anyone in."""
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise argparse.ArgumentTypeError("it must be one word of printable ASCII characters, and not empty")
    return text


def _shutdown(text: str) -> tuple[str, str]:
    """Parse `MODEL=YYYY-MM-DD`."""
    model, _, day = text.rpartition("=")
    return model, date.fromisoformat(day).isoformat()


def serve(folder: Path, listener: socket.socket, api_key: str | None, options: TrainerOptions) -> None:
    """Serve a folder on a socket, and print the address once requests are answered."""
    # Connections inherit this. Without it, the body of an answer waits up to 40 ms for its head to be acknowledged.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    app = create_app(folder, api_key=api_key, options=options)
    # Open requests get 3 s to finish at the end, so that a long stream can't hold up Ctrl-C.
    config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="on", timeout_graceful_shutdown=3)
    _AnnouncingServer(config).run(sockets=[listener])


class _AnnouncingServer(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the server, then print its address and the base models."""
        await super().startup(sockets)
        if self.started and sockets:
            host, port = sockets[0].getsockname()[:2]
            models = ", ".join(model.id for model in BASE_MODELS)
            sys.stdout.write(f"Tuneloop trainer\n  URL          http://{host}:{port}/v1\n  base models  {models}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
