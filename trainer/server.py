"""The trainer's HTTP server, composed of the two wires, the stores and the scheduler."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from fastapi import FastAPI
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from trainer.bedrock import dispatch
from trainer.bedrock.job_data import S3JobData
from trainer.bedrock.service_model import call_of
from trainer.completions import ModelCache
from trainer.context import Context, TrainerOptions
from trainer.engine.tokens import tokenizer
from trainer.ids import now_s
from trainer.jobs.job_data import JobDataByWire
from trainer.jobs.scheduler import Scheduler
from trainer.openai import errors, files, jobs, models, uploads
from trainer.openai.authentication import RequestAuthentication
from trainer.openai.chat import chat
from trainer.openai.job_data import UploadedJobData
from trainer.storage.bedrock import BEDROCK
from trainer.storage.home import Home
from trainer.storage.jobs import OPENAI

JOB_DATA: JobDataByWire = {OPENAI: UploadedJobData(), BEDROCK: S3JobData()}


def create_app(folder: Path, *, api_key: str | None = None, options: TrainerOptions | None = None) -> ASGIApp:
    """Return the server of a folder, which no other server may use meanwhile."""
    lifespan = partial(_lifespan, folder, options or TrainerOptions())
    app = FastAPI(title="Tuneloop trainer", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.include_router(files.router)
    app.include_router(uploads.router)
    app.include_router(jobs.router)
    app.include_router(models.router)
    app.add_route("/v1/chat/completions", chat, methods=["POST"])
    errors.install_error_handlers(app)
    return _Wires(app, RequestAuthentication(app, api_key))


class _Wires:
    """Sends a request to Bedrock's wire if Bedrock has such a path outside of `/v1/`, else to OpenAI's wire."""

    def __init__(self, app: FastAPI, openai: ASGIApp) -> None:
        self._app = app
        self._openai = openai

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = None
        if scope["type"] == "http" and not scope["path"].startswith("/v1/"):
            call = call_of(scope["method"], scope["raw_path"].decode())
        if call is None:
            await self._openai(scope, receive, send)
            return
        response = await dispatch.answer_call(Request(scope, receive), call, self._app.state.context)
        await response(scope, receive, send)


@asynccontextmanager
async def _lifespan(folder: Path, options: TrainerOptions, app: FastAPI) -> AsyncIterator[None]:
    home = Home.open(folder)
    home.files.drop_unfinished()
    home.sweep(now=now_s())
    tokenizer()
    scheduler = Scheduler(home, JOB_DATA)
    app.state.context = Context(home, ModelCache(home.models), scheduler, options)
    scheduler.start()
    yield
    scheduler.stop()
    home.rows.close()
