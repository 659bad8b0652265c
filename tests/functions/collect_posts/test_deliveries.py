"""What one delivery of the examples queue may take, and what becomes of posts whose readers fail or die."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.examples import chat
from tests.functions.collect_posts.posts import (
    dataset_state,
    deliver_posts,
    drop_results,
    post_examples,
    post_message,
    stored_answers,
)
from tests.functions.conftest import Later
from tests.functions.providers import Killed
from tests.world import Context, World
from tuneloop.app import app, utc_now
from tuneloop.domain.core.errors import Stale
from tuneloop.domain.core.limits import QUEUE_TRIES
from tuneloop.domain.datasets.drops import Drop
from tuneloop.store.repositories.posts import NOT_COLLECTED

HALF_AN_HOUR_S = 1860
SEVEN_HOURS_S = 7 * 3600


def waiting(world: World) -> list[str]:
    """The messages that wait in the queue, taken out of it."""
    url, bodies = world.sqs.get_queue_url(QueueName="tuneloop-test-examples")["QueueUrl"], []
    while found := world.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in found:
            bodies.append(message["Body"])
            world.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return bodies


def shortening(first: int, later: int) -> Callable[[Any], int]:
    """The time that is left of an invocation, in milliseconds: as much at its begin, less at each look after it."""
    left = iter([first])
    return lambda _: next(left, later)


def refuse(*_: Any) -> None:
    raise ValueError("no row can hold it")


def shown(drop: str) -> Drop:
    return app.datasets.drop("acme", "support", drop)


def test_a_post_on_its_last_try_comes_after_all_others(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    poison, *others = [post_examples(world, name) for name in "abc"]
    reminder, add = json.dumps({"settle": {"tenant": "acme", "dataset": "support"}}), app.datasets.add_posts

    def kills(segment: Any, drops: list[Drop]) -> None:
        if poison in [drop.id for drop in drops]:
            raise Killed
        add(segment, drops)

    monkeypatch.setattr(app.datasets, "add_posts", kills)

    with pytest.raises(Killed):
        deliver_posts(post_message(poison), *map(post_message, others), reminder, last=post_message(poison))
    assert drop_results(poison, *others) == [("reading", 0), ("collected", 1), ("collected", 1)]


@pytest.mark.parametrize("place", range(6))
def test_a_post_that_kills_its_readers_takes_no_neighbour_with_it(
    world: World, monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    """All come together each time; what the queue gets to know is only that none of them was acknowledged."""
    drops = [post_examples(world, name) for name in "abcdef"]
    drops.append(post_examples(world, "g", dataset="returns"))
    poison, read = sorted(drops)[place], app.objects.lines
    bodies = [post_message(drop, "returns" if drop == drops[-1] else "support") for drop in drops]

    def kills(key: str) -> Any:
        if poison in key:
            raise Killed
        return read(key)

    monkeypatch.setattr(app.objects, "lines", kills)
    for tries in range(1, QUEUE_TRIES + 1):
        with pytest.raises(Killed):
            deliver_posts(*bodies, tries=tries)

    found = [app.datasets.drop("acme", "returns" if drop == drops[-1] else "support", drop) for drop in drops]
    assert [drop.id for drop in found if drop.status != "collected"] == [poison]


def test_who_had_more_tries_comes_before_a_post_that_kills(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    poison, *others = [post_examples(world, name) for name in "abcde"]
    add = app.datasets.add_posts

    def kills(segment: Any, drops: list[Drop]) -> None:
        if poison in [drop.id for drop in drops]:
            raise Killed
        add(segment, drops)

    monkeypatch.setattr(app.datasets, "add_posts", kills)

    for other in others:
        with pytest.raises(Killed):
            deliver_posts(post_message(poison), post_message(other), tries=QUEUE_TRIES - 1, last=post_message(other))
    assert drop_results(poison, *others) == [("reading", 0), *[("collected", 1)] * 4]


def test_a_message_that_is_sent_again_keeps_its_tries(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    drops = [post_examples(world, name) for name in "abc"]
    waiting(world)
    monkeypatch.setattr(Context, "get_remaining_time_in_millis", shortening(29_000, 14_000))
    assert deliver_posts(*map(post_message, drops), post_message(drops[0]), tries=QUEUE_TRIES) == []

    again = [json.loads(body) for body in waiting(world) if "collect" in body]
    assert [status for status, _ in drop_results(*drops)].count("collected") == 1
    assert [body["tries"] for body in again] == [QUEUE_TRIES - 1] * 2

    monkeypatch.setattr(app.datasets, "add_posts", refuse)
    assert deliver_posts(*map(json.dumps, again)) == ["0", "1"]
    assert {shown(body["collect"]["drop"]).status for body in again} == {"failed"}


def test_a_post_that_had_its_tries_is_not_sent_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    poison, other = post_examples(world, "a"), post_examples(world, "b")
    waiting(world)
    body = json.dumps({**json.loads(post_message(poison)), "tries": QUEUE_TRIES})
    monkeypatch.setattr(Context, "get_remaining_time_in_millis", shortening(29_000, 14_000))

    assert deliver_posts(body, post_message(other), tries=QUEUE_TRIES) == ["0"]

    assert drop_results(poison, other) == [("failed", 0), ("collected", 1)]
    assert not [body for body in waiting(world) if "collect" in body]


def test_a_full_delivery_sends_a_post_of_its_second_try_again_as_such(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    drops = [post_examples(world, name) for name in "ab"]
    waiting(world)
    monkeypatch.setattr("collect_posts.delivery.DELIVERY_BYTES", 1)

    assert deliver_posts(*map(post_message, drops), tries=2) == []

    assert [json.loads(body).get("tries") for body in waiting(world) if "collect" in body] == [1]


def test_posts_on_their_last_try_are_collected_one_by_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    poison, other, dataset = post_examples(world, "a"), post_examples(world, "b"), app.datasets
    add = dataset.add_posts

    def refuses(segment: Any, drops: list[Drop]) -> None:
        if poison in [drop.id for drop in drops]:
            raise ValueError("no row can hold it")
        add(segment, drops)

    monkeypatch.setattr(dataset, "add_posts", refuses)

    assert deliver_posts(post_message(poison), post_message(other)) == ["0", "1"]
    assert deliver_posts(post_message(poison), last=post_message(poison)) == ["0"]
    assert deliver_posts(post_message(other), last=post_message(other)) == []
    assert drop_results(poison, other) == [("failed", 0), ("collected", 1)]


def test_the_owner_is_told_after_the_last_try_and_a_late_one_still_counts(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop, add = post_examples(world, "a"), app.datasets.add_posts

    def busy(*_: Any) -> None:
        raise Stale("busy")

    monkeypatch.setattr(app.datasets, "add_posts", busy)
    assert deliver_posts(post_message(drop)) == ["0"]
    assert drop_results(drop) == [("reading", 0)]
    assert deliver_posts(post_message(drop), last=post_message(drop)) == ["0"]

    assert (shown(drop).status, shown(drop).problems) == ("failed", [NOT_COLLECTED])
    assert "no need to send them again" in NOT_COLLECTED.message
    monkeypatch.setattr(app.datasets, "add_posts", add)
    assert deliver_posts(post_message(drop)) == []
    assert (drop_results(drop), shown(drop).problems) == ([("collected", 1)], [])


def test_what_exceeds_a_delivery_is_sent_again_and_no_try_of_it_is_lost(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    drops = [post_examples(world, name) for name in "abcd"]
    waiting(world)
    monkeypatch.setattr("collect_posts.delivery.DELIVERY_BYTES", 600)  # two of these lines reach it

    assert deliver_posts(*map(post_message, drops), post_message(drops[3])) == []

    again = [body for body in waiting(world) if "collect" in body]
    assert again == [post_message(drops[2]), post_message(drops[3])]
    assert [status for status, _ in drop_results(*drops)] == ["collected", "collected", "reading", "reading"]
    assert deliver_posts(*again) == []
    assert stored_answers() == ["a", "b", "c", "d"]


def test_a_post_beyond_all_bounds_is_collected_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    drops = [post_examples(world, name * 50) for name in "ab"]
    monkeypatch.setattr("collect_posts.delivery.DELIVERY_BYTES", 1)

    assert deliver_posts(*map(post_message, drops)) == []
    assert [status for status, _ in drop_results(*drops)] == ["collected", "reading"]


def test_a_delivery_ends_in_half_of_its_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    drops = [post_examples(world, name) for name in "ab"]
    waiting(world)
    judged = json.dumps({"judge": {"tenant": "acme", "dataset": "support", "unit": "0" * 16}})
    reminder = json.dumps({"settle": {"tenant": "acme", "dataset": "support"}})
    left = iter([29_000, 15_000])  # at its begin, before the first post; what comes after is later
    monkeypatch.setattr(Context, "get_remaining_time_in_millis", lambda _: next(left, 14_000))

    assert deliver_posts(*map(post_message, drops), judged, reminder) == []

    assert [status for status, _ in drop_results(*drops)] == ["collected", "reading"]
    assert {post_message(drops[1]), judged, reminder} <= set(waiting(world))
    assert app.datasets.get("acme", "support").settled_revision == 0


def test_a_waiting_post_is_not_given_up_and_its_sender_not_told_to_resend(world: World, later: Later) -> None:
    drop = post_examples(world, "a")

    later(HALF_AN_HOUR_S)
    world.schedule("collect-examples")
    assert drop_results(drop) == [("reading", 0)]
    later(SEVEN_HOURS_S)
    world.schedule("collect-examples")

    assert (shown(drop).status, shown(drop).problems) == ("failed", [NOT_COLLECTED])
    later(0)
    world.settle()
    assert (drop_results(drop), dataset_state()) == ([("collected", 1)], (1, 1, 1))


def test_a_post_whose_message_is_gone_is_shown_after_half_an_hour(world: World, later: Later) -> None:
    drop = post_examples(world, "a")
    waiting(world)

    later(HALF_AN_HOUR_S)
    world.schedule("collect-examples")

    assert (shown(drop).status, shown(drop).problems) == ("failed", [NOT_COLLECTED])


def test_a_file_is_given_up_after_half_an_hour_whatever_waits(world: World, later: Later) -> None:
    post_examples(world, "a")
    made = Drop(
        id="drop-1", tenant="acme", dataset="support", object="incoming/acme/support/a.jsonl", created_at=utc_now()
    )
    app.datasets.save_drop(made)

    later(HALF_AN_HOUR_S)
    world.schedule("collect-examples")

    assert (shown("drop-1").status, shown("drop-1").problems[0].code) == ("failed", "unreadable")


def test_what_lies_in_the_queue_from_a_stage_of_before_is_collected(world: World) -> None:
    """The row and the message as they were written before there was a function for them."""
    made = Drop(id="drop-1", tenant="acme", dataset="support", object="api", created_at=utc_now())
    world.call("POST /v1/datasets", "/v1/datasets", {"id": "support"})
    app.datasets.save_drop(made)
    app.objects.put("posted/acme/support/drop-1.jsonl", json.dumps(chat("What is a?", "a")).encode())

    assert deliver_posts('{"collect": {"tenant": "acme", "dataset": "support", "drop": "drop-1"}}') == []
    assert (drop_results("drop-1"), stored_answers()) == ([("collected", 1)], ["a"])
