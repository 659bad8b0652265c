"""What every route works on, and how lists are cut into pages."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Annotated, TypeVar

from fastapi import Depends, Query, Request

from trainer.completions import Serving
from trainer.config import Options
from trainer.jobs.scheduler import Scheduler
from trainer.storage.home import Home
from tuneloop.openai_wire.pages import Page
from tuneloop.openai_wire.shape import Shape

RowT = TypeVar("RowT", bound=Shape)


@dataclass(frozen=True, slots=True)
class Context:
    """The trainer's parts."""

    home: Home
    serving: Serving
    scheduler: Scheduler
    options: Options


def context(request: Request) -> Context:
    """Return the parts of the trainer that this request came to."""
    parts: Context = request.app.state.context
    return parts


Trainer = Annotated[Context, Depends(context)]
After = Annotated[str | None, Query(description="The id of the last row of the page before.")]


def page_of(rows: Iterable[RowT], limit: int) -> Page[RowT]:
    """Cut the first page off the rows that are left."""
    found = list(islice(rows, limit + 1))
    return Page(data=found[:limit], has_more=len(found) > limit)
