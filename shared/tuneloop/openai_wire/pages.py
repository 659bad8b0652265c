"""Lists and deletions, which OpenAI answers in one shape for every kind of thing."""

from typing import Generic, Literal, TypeVar

from pydantic import Field

from tuneloop.openai_wire.shape import Shape

RowT = TypeVar("RowT", bound=Shape)


class Page(Shape, Generic[RowT]):
    """One page of a list; `has_more` says whether asking again with `after` = the last row's id brings more."""

    object: Literal["list"] = "list"
    data: list[RowT] = Field(default_factory=list)
    has_more: bool = False


class Deleted(Shape):
    """The answer to a DELETE: what kind of thing (`object`) with which id is gone."""

    id: str
    object: str = ""
    deleted: bool = True
