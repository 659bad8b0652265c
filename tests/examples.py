"""One factory for training lines."""

from typing import Any


def chat(user: str, answer: str, system: str | None = None, **ours: Any) -> dict[str, Any]:
    """A chat example, with fields of ours beside its messages."""
    first = [{"role": "system", "content": system}] if system else []
    messages = [*first, {"role": "user", "content": user}, {"role": "assistant", "content": answer}]
    return {"messages": messages, **ours}
