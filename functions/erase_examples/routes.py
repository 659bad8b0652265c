"""The erasures routes: erase an example or a subject, list erasures, and follow one."""

from contextlib import suppress
from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Path
from pydantic import BaseModel, ConfigDict, Field

from erase_examples.erase import EraseExamples
from tuneloop.api.router import Api, Cursor, Limit, ListOf, Name, list_view, view
from tuneloop.app import app, utc_now
from tuneloop.domain.core.access import Scope
from tuneloop.domain.core.errors import OutOfTime
from tuneloop.domain.core.ids import EXAMPLE_PATTERN
from tuneloop.domain.core.limits import SUBJECT_CHARACTERS
from tuneloop.domain.datasets.erasures import Erasure, ErasureView, example_erasure, subject_erasure

api = Api(app)

# Seconds that must be left of the caller's time to search on: datasets that take longer are searched after the answer.
SEARCH_LEAVES_S = 12
ExampleId = Annotated[str, Path(pattern=EXAMPLE_PATTERN)]
Subject = Annotated[str, Path(min_length=1, max_length=SUBJECT_CHARACTERS, description="Any text, percent-encoded.")]


class NewErasure(BaseModel):
    """A subject to erase, in the body: for callers whose request paths are logged on the way."""

    model_config = ConfigDict(extra="forbid")

    subject: str = Field(min_length=1, max_length=SUBJECT_CHARACTERS)


@api.route("DELETE /v1/datasets/{dataset}/examples/{example}", Scope.COLLECT, status=202)
def erase_example(dataset: Name, example: ExampleId) -> ErasureView:
    """Erase one example for good: it is excluded from now on, even if it is sent again."""
    app.datasets.get(api.tenant, dataset)
    return _erase(example_erasure(api.tenant, dataset, example, utc_now()))


@api.route("DELETE /v1/subjects/{subject}", Scope.COLLECT, status=202)
def erase_subject(subject: Subject) -> ErasureView:
    """Erase all examples from a subject, in every dataset, for good; later examples from it are excluded too."""
    return _erase(subject_erasure(api.tenant, subject, utc_now()))


@api.route("POST /v1/erasures", Scope.COLLECT, status=202)
def create_erasure(new: NewErasure) -> ErasureView:
    """Erase all examples from a subject, as `DELETE /v1/subjects/{subject}` does with the subject in its path."""
    return _erase(subject_erasure(api.tenant, new.subject, utc_now()))


@api.route("GET /v1/erasures", Scope.READ)
def list_erasures(limit: Limit = 20, cursor: Cursor = None) -> ListOf[ErasureView]:
    """The tenant's erasures, newest first."""
    return list_view(app.erasures.page(api.tenant, limit, cursor), ErasureView)


@api.route("GET /v1/erasures/{erasure}", Scope.READ)
def get_erasure(erasure: Name) -> ErasureView:
    """An erasure: its status, the exports, runs and versions that held its examples, and the copies that remain."""
    return view(ErasureView, app.erasures.get(api.tenant, erasure))


def _erase(new: Erasure) -> ErasureView:
    """Store an erasure, which excludes its examples at once, and search the datasets as long as there is time."""
    erasure = app.erasures.add(new)
    with suppress(OutOfTime):  # the sweep continues the search
        stores = app.erasures, app.datasets, app.generations, app.objects
        erasure = EraseExamples(*stores, check=_check_time).erase(erasure, utc_now())
    return view(ErasureView, erasure)


def _check_time() -> None:
    if app.remaining_s < SEARCH_LEAVES_S:
        raise OutOfTime("The datasets are searched behind the answer.")
