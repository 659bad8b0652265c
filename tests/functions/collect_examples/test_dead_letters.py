"""A drop that was given up is not lost: a late try, a dead letter that is sent back, or its owner brings it in."""

from typing import Any

import pytest

from tests.functions import steps
from tests.functions.conftest import Later
from tests.world import World, invoke, sqs_event
from tuneloop.app import app
from tuneloop.domain.datasets.drops import Drop
from tuneloop.runtime.entry_point import FunctionFailed
from tuneloop.store.objects.bucket import Objects

HALF_AN_HOUR_S = 1860


class Unreachable(Exception):
    """A store that is away."""


def unreachable(*_: Any) -> None:
    raise Unreachable


def given_up(world: World, later: Later) -> Drop:
    """The drop after the sweep has ended it."""
    later(HALF_AN_HOUR_S)
    world.schedule("collect-examples")
    later(0)
    [drop] = app.datasets.drops(world.tenant, "support", 5, None).data
    assert drop.status == "failed"
    return drop


def post(world: World) -> dict[str, Any]:
    body = {"examples": steps.questions(12)}
    answer: dict[str, Any] = world.call(
        "POST /v1/datasets/{dataset}/examples", "/v1/datasets/support/examples", body
    ).body
    return answer


def message(world: World) -> str:
    """The message that waits in the examples queue, taken out of it."""
    url = world.sqs.get_queue_url(QueueName="tuneloop-test-examples")["QueueUrl"]
    [found] = world.sqs.receive_message(QueueUrl=url)["Messages"]
    world.sqs.delete_message(QueueUrl=url, ReceiptHandle=found["ReceiptHandle"])
    return str(found["Body"])


def collected(world: World) -> tuple[str, int]:
    [drop] = app.datasets.drops(world.tenant, "support", 5, None).data
    return drop.status, drop.examples


def test_posted_examples_are_taken_in_when_their_dead_letter_is_sent_back(world: World, later: Later) -> None:
    post(world)
    letter = message(world)
    given_up(world, later)

    answer = invoke("collect-posts", sqs_event("examples", letter))

    assert answer == {"batchItemFailures": []}
    assert collected(world) == ("collected", 12)


def test_posting_again_what_was_given_up_takes_it_in(world: World, later: Later) -> None:
    first = post(world)
    message(world)
    given_up(world, later)

    again = post(world)
    world.settle()

    assert (again["id"], again["status"]) == (first["id"], "reading")
    assert collected(world) == ("collected", 12)


def test_a_file_is_taken_in_when_its_failed_event_is_sent_back(
    world: World, later: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = Objects.put_segment
    monkeypatch.setattr(Objects, "put_segment", unreachable)
    with pytest.raises(FunctionFailed, match="Unreachable"):
        world.drop("support", steps.questions(12))
    monkeypatch.setattr(Objects, "put_segment", put)
    drop = given_up(world, later)
    content = world.s3.head_object(Bucket="tuneloop-test-data", Key=drop.object)["ETag"].strip('"')

    world.s3_event(drop.object, content)

    assert collected(world) == ("collected", 12)


def test_what_was_rejected_stays_so_however_often_it_comes(world: World) -> None:
    key = world.drop("support", b"not json\n")
    content = world.s3.head_object(Bucket="tuneloop-test-data", Key=key)["ETag"].strip('"')
    before = collected(world)

    world.s3_event(key, content)

    assert before == collected(world) == ("rejected", 0)
