"""Queues: what is sent arrives, late if asked for, never later than SQS allows."""

from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from tuneloop.app import App
from tuneloop.store.queues import LONGEST_DELAY_S, Queue


def test_a_message_arrives_as_it_was_sent(stage: App) -> None:
    text = "größer, später" * 1000

    stage.examples_queue.send(text)

    [message] = boto3.client("sqs").receive_message(QueueUrl=stage.settings.examples_queue_url or "")["Messages"]
    assert message["Body"] == text


def test_the_queues_are_two(stage: App) -> None:
    stage.usage_queue.send("usage")

    assert "Messages" not in boto3.client("sqs").receive_message(QueueUrl=stage.settings.examples_queue_url or "")


@pytest.mark.parametrize(("asked", "given"), [(0, 0), (61, 61), (900, 900), (5000, LONGEST_DELAY_S)])
def test_a_delay_is_kept_up_to_a_quarter_of_an_hour(stage: App, asked: int, given: int) -> None:
    client: Any = boto3.client("sqs")
    sent = {"QueueUrl": "q", "MessageBody": "later", "DelaySeconds": given}

    with Stubber(client) as stub:
        stub.add_response("send_message", {}, sent)
        Queue(client, "q").send("later", delay_s=asked)

    assert stage.settings.stage == "test"
