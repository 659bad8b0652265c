"""Files' rows: stored once, listed by time."""

from typing import Any

import pytest

from tests.unit.factories import NOW, SECOND
from tuneloop.app import App
from tuneloop.domain.core.errors import NotFound
from tuneloop.domain.datasets.drops import UploadedFile, file_id


def a_file(**changes: Any) -> UploadedFile:
    plain = UploadedFile(tenant="acme", id="file-1", filename="a.jsonl", bytes=10, purpose="fine-tune", created_at=NOW)
    return plain.model_copy(update=changes)


def test_of_two_who_store_a_file_both_get_the_first(app: App) -> None:
    first = app.files.add(a_file())
    second = app.files.add(a_file(filename="b.jsonl"))

    assert (first.filename, second.filename) == ("a.jsonl", "a.jsonl")


def test_files_are_listed_by_time_behind_another(app: App) -> None:
    files = [app.files.add(a_file(id=f"file-{number}", created_at=NOW + number * SECOND)) for number in range(3)]

    assert [file.id for file in app.files.page("acme", 2).data] == ["file-2", "file-1"]
    assert [file.id for file in app.files.page("acme", 9, files[1]).data] == ["file-0"]
    assert [file.id for file in app.files.page("acme", 9, files[1], newest_first=False).data] == ["file-2"]


def test_another_tenant_s_file_is_not_there(app: App) -> None:
    app.files.add(a_file())

    with pytest.raises(NotFound, match="There is no file file-1"):
        app.files.get("initech", "file-1")
    assert app.files.page("initech", 9).data == []


def test_a_file_is_named_by_tenant_content_and_purpose() -> None:
    ids = {file_id(tenant, content, "fine-tune") for tenant in ("a", "b") for content in ("c", "d")}

    assert len(ids) == 4
    assert file_id("a", "c", "fine-tune") in ids
