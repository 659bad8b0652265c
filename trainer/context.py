"""The context of a request: the trainer's parts that every route works on, and the pages that lists are cut into."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Annotated, TypeVar

from fastapi import Depends, Query, Request

from trainer.completions import ModelCache
from trainer.jobs.scheduler import Scheduler
from trainer.storage.home import Home
from tuneloop.openai_wire.pages import Page
from tuneloop.openai_wire.shape import Shape


@dataclass(frozen=True, slots=True)
class TrainerOptions:
    """The ways in which servers of these wires differ; the defaults are OpenAI's and Bedrock's own."""

    keeps_metadata: bool = True
    """False plays a server that ignores a job's metadata, when it is given and when it is searched by."""
    shutdown_dates: Mapping[str, str] = field(default_factory=dict)
    """When a base model and what was tuned from it end: ISO dates by the model's id."""
    settle_s: float = 0.5
    """How long Bedrock's deployments are `Creating`, and its jobs `Stopping`, in seconds."""


RowT = TypeVar("RowT", bound=Shape)


@dataclass(frozen=True, slots=True)
class Context:
    """The trainer's parts: its stores, the models in memory, the scheduler of its jobs, and its options."""

    home: Home
    model_cache: ModelCache
    scheduler: Scheduler
    options: TrainerOptions


def context_of(request: Request) -> Context:
    """Return the parts of the trainer that a request came to."""
    parts: Context = request.app.state.context
    return parts


Trainer = Annotated[Context, Depends(context_of)]
After = Annotated[str | None, Query(description="The id of the last row of the page before.")]


def page_of(rows: Iterable[RowT], limit: int) -> Page[RowT]:
    """Cut the first page off the rows that are left."""
    page = list(islice(rows, limit + 1))
    return Page(data=page[:limit], has_more=len(page) > limit)
