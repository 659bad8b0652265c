"""Models as OpenAI lists them."""

from typing import Literal

from tuneloop.openai_wire.pages import Page
from tuneloop.openai_wire.shape import Shape


class ModelObject(Shape):
    """One model that chat completions can name; `shutdown_date` (ISO date) where its end is announced."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = ""
    shutdown_date: str | None = None


class ModelList(Page[ModelObject]):
    """The answer to `GET /v1/models`."""
