"""The files routes, in OpenAI's shapes: upload, list, get and download files; a file is the dataset with its id.

They are added to the `api` of `routes.py`: import `api` from here to have all routes of the function.
"""

from typing import Annotated, Any, Literal

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from collect_examples.ingest import IngestDrop
from collect_examples.openai_files import CreateFile, ReadFile, upload_in
from collect_examples.routes import api, ensure_dataset
from tuneloop.api.router import Name
from tuneloop.app import app, utc_now
from tuneloop.domain.core.access import Scope
from tuneloop.domain.core.errors import NotSupported
from tuneloop.domain.core.ids import PATTERN
from tuneloop.domain.datasets.drops import UploadedFile
from tuneloop.openai_wire.files import FileList, FileObject
from tuneloop.openai_wire.pages import Deleted

__all__ = ["api"]

MEDIA_TYPE = "application/jsonl"
UPLOAD: dict[str, Any] = {
    "type": "object",
    "properties": {
        "file": {"type": "string", "format": "binary", "description": "JSONL in OpenAI's fine-tuning format."},
        "purpose": {"type": "string", "enum": ["fine-tune"]},
    },
    "required": ["file", "purpose"],
}
NOT_DELETABLE = (
    "A file is a dataset here, and what was trained on it names it: it isn't deleted in one go. Erase its examples "
    "with `DELETE /v1/datasets/{dataset}/examples/{example}`, or those of a person with `POST /v1/erasures`."
)
CONTENT = {200: {"description": "The file's lines.", "content": {MEDIA_TYPE: {"schema": {"type": "string"}}}}}

After = Annotated[str | None, Query(pattern=PATTERN, description="The id of the last row of the page before.")]
FileLimit = Annotated[int, Query(ge=1, le=10_000, description="The number of files to return.")]
Order = Annotated[Literal["asc", "desc"], Query(description="By time of upload; `desc`, newest first, by default.")]
Purpose = Annotated[str | None, Query(max_length=100, description="Only files of this purpose.")]


@api.route("POST /v1/files", Scope.COLLECT, form=UPLOAD)
def create_file() -> FileObject:
    """Upload a file for fine-tuning; uploading the same content again returns the same file.

    Its lines are checked at once: if one can't be used, the file is refused with the line's number and nothing is made.
    """
    upload = upload_in(api.form)
    ingest = IngestDrop(app.datasets, app.objects, app.erasures, utc_now)
    file = CreateFile(
        app.files,
        app.datasets,
        ensure_dataset(),
        ingest,
        app.examples_queue,
        settle_s=app.settings.settle_s,
        remaining_s=lambda: app.remaining_s,
    ).create(api.tenant, upload)
    return _view(file)


@api.route("GET /v1/files", Scope.READ)
def list_files(
    limit: FileLimit = 1000, after: After = None, order: Order = "desc", purpose: Purpose = None
) -> FileList:
    """The tenant's files, newest first unless asked otherwise."""
    last = app.files.get(api.tenant, after) if after else None
    files = app.files.page(api.tenant, limit + 1, last, newest_first=order == "desc").data
    rows = [_view(file) for file in files[:limit] if purpose in (None, file.purpose)]
    return FileList(data=rows, has_more=bool(rows) and len(files) > limit)


@api.route("GET /v1/files/{file}", Scope.READ)
def get_file(file: Name) -> FileObject:
    """A file's name, size, purpose and time."""
    return _view(app.files.get(api.tenant, file))


@api.route("GET /v1/files/{file}/content", Scope.READ, responses=CONTENT)
def get_file_content(file: Name) -> Response[str]:
    """A file's examples as JSONL, in the order of their ids, without those that were erased."""
    return Response(200, MEDIA_TYPE, ReadFile(app.files, app.datasets, app.contents).content(api.tenant, file))


@api.route("DELETE /v1/files/{file}", Scope.COLLECT)
def delete_file(file: Name) -> Deleted:
    """Always refused, with what to do instead: a file is a dataset, whose examples are erased one by one."""
    app.files.get(api.tenant, file)
    raise NotSupported(NOT_DELETABLE, param="file")


def _view(file: UploadedFile) -> FileObject:
    created = int(file.created_at.timestamp())
    return FileObject(id=file.id, bytes=file.bytes, created_at=created, filename=file.filename, purpose=file.purpose)
