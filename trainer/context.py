"""The context of a request: the parts of the trainer that routes work on, its options, and the pages of lists."""

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

RowT = TypeVar("RowT", bound=Shape)


@dataclass(frozen=True, slots=True)
class TrainerOptions:
    """How servers of these wires differ; the defaults are how OpenAI and Bedrock behave."""

    keeps_metadata: bool = True
    """False imitates a server that ignores the metadata of jobs, both in requests and in filters of lists."""
    shutdown_dates: Mapping[str, str] = field(default_factory=dict)
    """Announced shutdowns of base models and of the models tuned from them: ISO dates by the base model's id."""
    settle_s: float = 0.5
    """Seconds for which Bedrock's deployments are `Creating` or `Updating`, and its jobs `Stopping`."""


@dataclass(frozen=True, slots=True)
class Context:
    """The parts of the trainer: its stores, the models in memory, the scheduler of jobs, and the options."""

    home: Home
    model_cache: ModelCache
    scheduler: Scheduler
    options: TrainerOptions


def context_of(request: Request) -> Context:
    """Return the parts of the trainer that serves a request."""
    context: Context = request.app.state.context
    return context


Trainer = Annotated[Context, Depends(context_of)]
After = Annotated[str | None, Query(description="The id of the last row of the page before.")]


def page_of(rows: Iterable[RowT], limit: int) -> Page[RowT]:
    """Return the first `limit` rows as a page, which says whether there are more."""
    page = list(islice(rows, limit + 1))
    return Page(data=page[:limit], has_more=len(page) > limit)
