"""Server-sent events as OpenAI's streams write them: one `data:` line per chunk, then `[DONE]`.

The trainer streams them; our API, behind a gateway that cannot stream, sends them as one buffered body.
"""

from collections.abc import Iterable, Iterator

from tuneloop.openai_wire.chat import ChatChunk

MEDIA_TYPE = "text/event-stream"
DONE = b"data: [DONE]\n\n"


def events(chunks: Iterable[ChatChunk]) -> Iterator[bytes]:
    """Render each chunk as one event, and the end of the stream as `[DONE]`."""
    for chunk in chunks:
        yield b"data: " + chunk.model_dump_json().encode() + b"\n\n"
    yield DONE


def body(chunks: Iterable[ChatChunk]) -> str:
    """Render a whole stream as one body."""
    return b"".join(events(chunks)).decode()
