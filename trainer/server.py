"""The trainer's HTTP server, put together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from fastapi import FastAPI
from starlette.types import ASGIApp

from trainer import refusals
from trainer.gate import Gate
from trainer.identity import now_s
from trainer.routes import files, jobs, models
from trainer.routes.chat import chat
from trainer.routes.context import Context
from trainer.serving import Serving
from trainer.state.home import Home
from trainer.tokens import tokenizer
from trainer.work.scheduler import Scheduler


def create_app(folder: Path, *, api_key: str | None = None) -> ASGIApp:
    """Make the server for a folder, which must be this server's alone."""
    app = FastAPI(title="Tuneloop trainer", lifespan=partial(_lifespan, folder), docs_url=None, redoc_url=None)
    app.include_router(files.router)
    app.include_router(jobs.router)
    app.include_router(models.router)
    app.add_route("/v1/chat/completions", chat, methods=["POST"])
    refusals.install(app)
    return Gate(app, api_key)


@asynccontextmanager
async def _lifespan(folder: Path, app: FastAPI) -> AsyncIterator[None]:
    home = Home.open(folder)
    home.files.drop_unfinished()
    home.sweep(now=now_s())
    tokenizer()
    scheduler = Scheduler(home)
    app.state.context = Context(home, Serving(home.models), scheduler)
    scheduler.start()
    yield
    scheduler.stop()
    home.rows.close()
