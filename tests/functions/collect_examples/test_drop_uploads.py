"""Uploads: a form for one file, good for that file and nothing else."""

import base64
import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.functions import steps
from tests.world import BUCKET, World
from tuneloop.app import utc_now
from tuneloop.domain.core.access import Scope

ROUTE, PATH = "POST /v1/datasets/{dataset}/uploads", "/v1/datasets/support/uploads"


@pytest.fixture(autouse=True)
def dataset(world: World) -> None:
    world.call("POST /v1/datasets", "/v1/datasets", {"id": "support"})


@pytest.mark.parametrize("split", [None, "train", "validation", "test"])
def test_a_form_is_bound_to_one_key_one_size_and_fifteen_minutes(split: str | None, world: World) -> None:
    before = utc_now()

    answer = world.call(ROUTE, PATH, {"filename": "train.jsonl.gz", "split": split})

    form = answer.body
    folder, _, name = form["object"].rpartition("/")
    policy = json.loads(base64.b64decode(form["fields"]["policy"]))
    assert answer.status == 201
    assert folder == "/".join(["incoming/acme/support", *([split] if split else [])])
    assert name.endswith("-train.jsonl.gz")
    assert len(name) == 12 + len("-train.jsonl.gz")
    assert form["fields"]["key"] == form["object"]
    assert {"key": form["object"]} in policy["conditions"]
    assert {"bucket": BUCKET} in policy["conditions"]
    assert ["content-length-range", 1, 1 << 30] in policy["conditions"]
    for said in (form["expires_at"], policy["expiration"]):
        assert abs(datetime.fromisoformat(said) - before - timedelta(minutes=15)) < timedelta(minutes=1)


def test_two_files_of_one_name_do_not_meet(world: World) -> None:
    objects = {world.call(ROUTE, PATH, {"filename": "a.jsonl"}).body["object"] for _ in range(2)}

    assert len(objects) == 2


def test_what_was_uploaded_is_a_drop_like_any_other(world: World) -> None:
    form = world.call(ROUTE, PATH, {"filename": "a.jsonl"}).body
    content = "\n".join(json.dumps(line) for line in steps.questions(3)).encode()
    etag = world.s3.put_object(Bucket=BUCKET, Key=form["object"], Body=content)["ETag"].strip('"')

    world.s3_event(form["object"], etag)

    [drop] = world.call("GET /v1/datasets/{dataset}/drops", "/v1/datasets/support/drops").body["data"]
    assert (drop["object"], drop["status"], drop["examples"]) == (form["object"], "collected", 3)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"filename": "a.xlsx"}, "filename"),
        ({"filename": "a.csv.zip"}, "filename"),
        ({"filename": "a/b.jsonl"}, "filename"),
        ({"filename": "a b.jsonl"}, "filename"),
        ({"filename": "ä.jsonl"}, "filename"),
        ({"filename": "a.jsonl\n"}, "filename"),
        ({"filename": ".jsonl.exe"}, "filename"),
        ({"filename": "a" * 195 + ".jsonl"}, "filename"),
        ({}, "filename"),
        ({"filename": "a.jsonl", "split": "dev"}, "split"),
        ({"filename": "a.jsonl", "tenant": "globex"}, "tenant"),
    ],
)
def test_what_is_no_name_of_a_file_is_refused(body: dict[str, Any], param: str, world: World) -> None:
    answer = world.call(ROUTE, PATH, body)

    assert (answer.status, answer.body["error"]["param"]) == (422, param)


def test_a_dataset_that_is_not_there_takes_no_file(world: World) -> None:
    rival = world.new_key(*Scope, tenant="rival")
    elsewhere = PATH.replace("support", "suport")

    assert world.call(ROUTE, elsewhere, {"filename": "a.jsonl"}).status == 404
    assert world.call(ROUTE, PATH, {"filename": "a.jsonl"}, key=rival).status == 404


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.csv.zst", "a.jsonl", "a.jsonl.gz", "a.jsonl.zst"])
def test_every_kind_of_file_that_can_be_read_can_be_uploaded(name: str, world: World) -> None:
    assert world.call(ROUTE, PATH, {"filename": name}).body["object"].endswith(f"-{name}")


def test_the_longest_name_is_a_name(world: World) -> None:
    assert world.call(ROUTE, PATH, {"filename": "a" * 194 + ".jsonl"}).status == 201


def test_a_form_takes_the_scope_for_collecting(world: World) -> None:
    key = world.new_key(*(scope for scope in Scope if scope != Scope.COLLECT))

    assert world.call(ROUTE, PATH, {"filename": "a.jsonl"}, key=key).status == 403


def test_forms_and_links_are_signed_in_the_way_that_every_region_takes(world: World) -> None:
    steps.settled(world, steps.questions(12))
    form = world.call(ROUTE, PATH, {"filename": "a.jsonl"}).body
    exports = "/v1/datasets/support/exports"
    [export] = world.call("GET /v1/datasets/{dataset}/exports", exports).body["data"]
    one = world.call("GET /v1/datasets/{dataset}/exports/{export}", f"{exports}/{export['id']}").body

    assert form["fields"]["x-amz-algorithm"] == "AWS4-HMAC-SHA256"
    assert "X-Amz-Algorithm=AWS4-HMAC-SHA256" in one["files"]["train"]["url"]
    assert "X-Amz-Expires=900" in one["files"]["train"]["url"]
