"""What former releases left is read by this one: rows, objects and queued messages; and an upgrade starts nothing."""

import gzip
import json
from base64 import b64decode
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from infra.functions import FUNCTIONS
from tests.functions.conftest import Later
from tests.functions.record_release import QUEUES, answers
from tests.world import BUCKET, TABLE, World, staged
from tuneloop.app import utc_now

RELEASES = sorted((Path(__file__).resolve().parents[1] / "releases").glob("*.json.gz"))
STARTED = ("/v1/training-runs", "/v1/evaluations", "/v1/datasets/support/exports", "/v1/models/support/deployment")
Release = dict[str, Any]


@pytest.fixture(params=RELEASES, ids=lambda path: path.name.partition(".")[0])
def release(request: pytest.FixtureRequest) -> Release:
    """What one release left, as it was recorded."""
    recorded: Release = json.loads(gzip.decompress(request.param.read_bytes()))
    return recorded


@pytest.fixture
def upgraded(release: Release, monkeypatch: pytest.MonkeyPatch, later: Later) -> Iterator[World]:
    """A stage with all of that in it, at the time when it was recorded; its provider is out of reach."""
    with staged(monkeypatch, release["tenant"]) as world:
        for row in release["rows"]:
            world.dynamodb.put_item(TableName=TABLE, Item=row)
        for key, content in release["objects"].items():
            world.s3.put_object(Bucket=BUCKET, Key=key, Body=b64decode(content))
        for queue in QUEUES:
            url = world.sqs.get_queue_url(QueueName=f"tuneloop-test-{queue}")["QueueUrl"]
            for body in release["messages"][queue]:
                world.sqs.send_message(QueueUrl=url, MessageBody=body)
        world.key = release["key"]
        later((datetime.fromisoformat(release["recorded_at"]) - utc_now()).total_seconds())
        yield world


def told(world: World, release: Release) -> dict[str, Any]:
    return answers(world, [(route, path) for route, path in release["reads"]])


def test_there_is_a_release_to_read() -> None:
    assert RELEASES


def test_every_route_answers_as_the_release_did(upgraded: World, release: Release) -> None:
    answered = told(upgraded, release)

    for path, body in release["answers"].items():
        assert answered[path] == body, path


def test_what_waited_in_queues_and_outbox_arrives(upgraded: World, release: Release) -> None:
    upgraded.settle()

    after = told(upgraded, release)
    assert after["/v1/datasets/cards"]["examples"] == release["answers"]["/v1/datasets/cards"]["examples"] + 2
    assert {drop["status"] for drop in after["/v1/datasets/cards/drops"]["data"]} == {"collected"}
    before = sum(row["calls"] for row in release["answers"]["/v1/usage"]["data"])
    assert sum(row["calls"] for row in after["/v1/usage"]["data"]) == before + 1


def test_an_upgrade_alone_trains_spends_and_replaces_nothing(upgraded: World, release: Release) -> None:
    for spec in FUNCTIONS:
        for schedule in spec.schedules:
            if schedule.name != "monthly":
                upgraded.schedule(spec.name, schedule.name)
    upgraded.settle()

    after = told(upgraded, release)
    for path in STARTED:
        assert after[path] == release["answers"][path], path
