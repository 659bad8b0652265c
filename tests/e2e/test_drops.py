"""Drops on the deployed stack: many at once, of any name, unheard of, uploaded by form, and such as are nobody's."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from math import ceil
from time import monotonic
from typing import Any

import httpx2
import pytest

from infra.schedules import EVERY_5_MINUTES
from infra.stage import LOCAL
from tests.e2e.conftest import Command
from tests.e2e.drops import collected, drops, put
from tests.e2e.waits import soon
from tests.examples import chat
from tuneloop.domain.training.runs import TERMINAL, RunStatus

RULE = LOCAL.name_of("collect-examples-drops")
FILES, LINES = 20, 5
AT_ONCE_S = 5  # within which the files have to be there for two runs at most


def content_of(file: int) -> bytes:
    lines = [chat(f"Where is parcel {file}-{line}?", ("late", "on its way")[line % 2]) for line in range(LINES)]
    return "\n".join(json.dumps(line) for line in lines).encode()


@contextmanager
def unheard_of(command: Command) -> Iterator[None]:
    """A while in which nobody is told of files."""
    events = command.stack.client("events")
    events.disable_rule(Name=RULE)
    try:
        yield
    finally:
        events.enable_rule(Name=RULE)


def test_twenty_files_at_once_make_two_runs_at_most_the_last_of_them_all(command: Command) -> None:
    command.key = command.ok("keys", "create", "rush").strip()
    api = command.api
    keys = [f"incoming/rush/parcels/part {file}.jsonl" for file in range(FILES)]

    begun = monotonic()
    with ThreadPoolExecutor(FILES) as pool:
        list(pool.map(lambda file: put(command, keys[file], content_of(file)), range(FILES)))
    too_long_s = max(0, monotonic() - begun - AT_ONCE_S)
    ended = collected(command, "parcels", FILES)

    last = api.get("/datasets/parcels")["revision"]

    def every_run() -> Any:
        """All runs, newest first, once the last revision has its run and none goes on."""
        runs = [api.get(f"/training-runs/{run['id']}") for run in api.get("/training-runs")["data"]]
        over = all(RunStatus(run["status"]) in TERMINAL for run in runs)
        return over and any(export_of(run)["revision"] == last for run in runs) and runs

    def export_of(run: Any) -> Any:
        return api.get(f"/datasets/parcels/exports/{run['export']}")

    runs = soon(every_run, seconds=120)
    assert {drop["status"] for drop in ended} == {"collected"}
    assert {drop["object"] for drop in ended} == set(keys)
    # A run begins with a pause of `settle_s`: dropped by a busy machine, the files leave time for so many more.
    assert 1 <= len(runs) <= 2 + ceil(too_long_s / LOCAL.settle_s)
    assert sum(file["examples"] for file in export_of(runs[0])["files"].values()) == FILES * LINES
    assert runs[0]["status"] == "succeeded"


def test_a_file_of_which_no_event_was_heard_is_taken_by_the_sweep(command: Command) -> None:
    command.key = command.ok("keys", "create", "quiet").strip()
    command.api.post("/datasets", {"id": "lost", "on_drop": "collect"})
    with unheard_of(command):
        at = put(command, "incoming/quiet/lost/lost.jsonl", content_of(0))

    grace = timedelta(seconds=LOCAL.unseen_after_s + 1)
    soon(lambda: datetime.now(UTC) - at > grace)
    assert drops(command, "lost") == []
    for _ in range(2):
        command.stack.fire(EVERY_5_MINUTES)

    [drop] = collected(command, "lost")
    assert (drop["object"], drop["status"], drop["examples"]) == ("incoming/quiet/lost/lost.jsonl", "collected", LINES)


@pytest.mark.parametrize(
    "name", ["wöche 47+48 #1 50%.jsonl", '🦜 "it\'s".jsonl', "x" * 900, "../../../other/secret/a.jsonl"]
)
def test_a_file_may_be_called_anything(name: str, command: Command) -> None:
    command.key = command.ok("keys", "create", "names").strip()
    dataset = f"names-{len(name)}"
    command.api.post("/datasets", {"id": dataset, "on_drop": "collect"})

    put(command, f"incoming/names/{dataset}/{name}", content_of(1))

    [drop] = collected(command, dataset)
    assert (drop["object"], drop["status"]) == (f"incoming/names/{dataset}/{name}", "collected")


def send(form: dict[str, Any], content: bytes, **changed: str) -> int:
    """The status with which the bucket answers a file that is sent by a form."""
    answer = httpx2.post(form["url"], data={**form["fields"], **changed}, files={"file": ("a.jsonl", content)})
    return answer.status_code


def test_a_form_takes_its_one_file_and_no_other(command: Command) -> None:
    command.key = command.ok("keys", "create", "forms").strip()
    api = command.api
    api.post("/datasets", {"id": "uploads", "on_drop": "collect"})
    form = api.post("/datasets/uploads/uploads", {"filename": "week-47.jsonl", "split": "test"})

    assert send(form, content_of(2), key="incoming/forms/other/a.jsonl") == 403
    assert send(form, b"") >= 400
    assert send(form, content_of(2)) in (200, 201, 204)

    [drop] = collected(command, "uploads")
    assert (drop["object"], drop["status"], drop["examples"]) == (form["object"], "collected", LINES)
    assert form["object"].startswith("incoming/forms/uploads/test/")


def test_a_file_that_is_nobody_s_is_shown_to_the_operator(command: Command) -> None:
    put(command, "incoming/nobody-at-all/support/über uns.jsonl", content_of(3))

    shown = soon(lambda: found if "über uns" in (found := command.ok("drops", "refused")) else "")

    assert "unknown_tenant  incoming/nobody-at-all/support/über uns.jsonl" in shown
