"""One delivery of the queue: a segment per dataset, whoever fails, dies, or gets the same messages at the same time."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.functions.collect_posts.posts import (
    dataset_state,
    deliver_posts,
    drop_results,
    post_examples,
    post_message,
    stored_answers,
)
from tests.functions.conftest import Later
from tests.world import BUCKET, World
from tuneloop.app import app
from tuneloop.domain.core.errors import Stale
from tuneloop.domain.datasets.drops import Drop

SEVEN_HOURS_S = 7 * 3600
AWAY = ClientError({"Error": {"Code": "InternalError", "Message": "we are sorry"}}, "PutObject")


def test_what_comes_together_is_one_segment_of_each_dataset(world: World) -> None:
    drops = [post_examples(world, f"a{n}", f"b{n}") for n in range(5)]
    other = post_examples(world, "c", dataset="returns")

    assert deliver_posts(*map(post_message, drops), post_message(other, "returns")) == []

    assert (dataset_state(), dataset_state("returns")) == ((1, 1, 10), (1, 1, 1))
    assert drop_results(*drops) == [("collected", 2)] * 5


def test_messages_that_come_again_change_nothing_whatever_comes_with_them(world: World) -> None:
    first, second, third = (post_examples(world, name) for name in "abc")

    assert deliver_posts(post_message(first), post_message(first), post_message(second)) == []
    assert deliver_posts(post_message(second), post_message(third), post_message(first)) == []

    assert (dataset_state(), stored_answers()) == ((2, 2, 3), ["a", "b", "c"])


def test_a_post_that_cannot_be_read_leaves_the_others_and_is_tried_again(world: World) -> None:
    drops = [post_examples(world, name) for name in "abc"]
    lost = world.s3.get_object(Bucket=BUCKET, Key=f"posted/acme/support/{drops[1]}.jsonl")["Body"].read()
    world.s3.delete_object(Bucket=BUCKET, Key=f"posted/acme/support/{drops[1]}.jsonl")

    assert deliver_posts(*map(post_message, drops), post_message("drop-of-nobody"), "no json") == ["4", "1", "3"]
    assert (dataset_state(), drop_results(*drops)) == ((1, 1, 2), [("collected", 1), ("reading", 0), ("collected", 1)])

    world.s3.put_object(Bucket=BUCKET, Key=f"posted/acme/support/{drops[1]}.jsonl", Body=lost)
    assert deliver_posts(post_message(drops[1])) == []
    assert stored_answers() == ["a", "b", "c"]


def test_a_dataset_that_fails_leaves_the_others(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, other = post_examples(world, "a"), post_examples(world, "b", dataset="returns")
    write = app.objects.put_segment

    def refused(folder: str, *content: Any) -> str:
        if "returns" in folder:
            raise AWAY
        return write(folder, *content)

    monkeypatch.setattr(app.objects, "put_segment", refused)

    assert deliver_posts(post_message(other, "returns"), post_message(mine)) == ["0"]
    assert (dataset_state(), dataset_state("returns")) == ((1, 1, 1), (0, 0, 0))


@pytest.mark.parametrize("step", ["put_segment", "commit", "remind"])
@pytest.mark.parametrize("is_done", [False, True])
def test_whoever_dies_at_any_step_loses_nothing_and_adds_nothing_twice(
    step: str, is_done: bool, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    drops = [post_examples(world, name) for name in "abc"]
    places: dict[str, tuple[Any, str]] = {
        "put_segment": (app.objects, "put_segment"),
        "commit": (app.table, "commit"),
        "remind": (app.examples_queue, "send"),
    }
    thing, name = places[step]
    real: Callable[..., Any] = getattr(thing, name)

    def dies(*given: Any, **named: Any) -> None:
        if is_done:
            real(*given, **named)
        raise AWAY

    with monkeypatch.context() as broken:
        broken.setattr(thing, name, dies)
        assert deliver_posts(*map(post_message, drops)) == ["0", "1", "2"]
    late = post_examples(world, "d")

    assert deliver_posts(post_message(drops[0]), post_message(late), *map(post_message, drops)) == []

    assert stored_answers() == ["a", "b", "c", "d"]
    assert drop_results(*drops, late) == [("collected", 1)] * 4


def test_two_who_get_the_same_messages_at_once_add_them_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    drops = [post_examples(world, name) for name in "abc"]
    add = app.datasets.add_posts

    def overtaken(*given: Any) -> None:
        monkeypatch.setattr(app.datasets, "add_posts", add)
        assert deliver_posts(post_message(drops[0]), post_message(drops[1])) == []
        add(*given)

    monkeypatch.setattr(app.datasets, "add_posts", overtaken)

    assert deliver_posts(*map(post_message, drops)) == []
    assert (dataset_state(), stored_answers()) == ((2, 2, 3), ["a", "b", "c"])


def test_a_post_that_is_given_up_during_its_collection_is_still_collected(
    world: World, later: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop = post_examples(world, "a")
    add = app.datasets.add_posts

    def given_up(*given: Any) -> None:
        monkeypatch.setattr(app.datasets, "add_posts", add)
        later(SEVEN_HOURS_S)  # its message still lies in the queue of this test
        world.schedule("collect-examples")
        assert drop_results(drop) == [("failed", 0)]
        add(*given)

    monkeypatch.setattr(app.datasets, "add_posts", given_up)

    assert deliver_posts(post_message(drop)) == []
    assert (drop_results(drop), stored_answers()) == ([("collected", 1)], ["a"])


def test_a_dataset_that_never_rests_is_tried_again_later(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    drop = post_examples(world, "a")

    def busy(*_: Any) -> None:
        raise Stale("busy")

    monkeypatch.setattr(app.datasets, "add_posts", busy)

    assert deliver_posts(post_message(drop)) == ["0"]
    assert drop_results(drop) == [("reading", 0)]


def test_more_than_a_segment_or_a_transaction_holds_becomes_several(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    drops = [post_examples(world, f"a{n}") for n in range(5)]
    monkeypatch.setattr("collect_posts.posts.MOST_POSTS", 3)
    assert deliver_posts(*map(post_message, drops)) == []
    assert dataset_state() == (2, 2, 5)

    monkeypatch.setattr("collect_posts.posts.SEGMENT_BYTES", 1)
    more = [post_examples(world, f"b{n}") for n in range(3)]
    assert deliver_posts(*map(post_message, more)) == []
    assert dataset_state() == (5, 5, 8)


def test_posts_of_the_same_examples_in_another_order_all_end(world: World) -> None:
    first, second = post_examples(world, "a", "b"), post_examples(world, "b", "a")

    assert deliver_posts(post_message(first)) == []
    assert deliver_posts(post_message(second)) == []

    assert (dataset_state(), drop_results(first, second)) == ((1, 1, 2), [("collected", 2)] * 2)


def test_a_reminder_among_posts_finds_them_collected(world: World) -> None:
    drop = post_examples(world, "a")
    reminder = json.dumps({"settle": {"tenant": "acme", "dataset": "support"}})

    assert (
        deliver_posts(reminder, post_message(drop), json.dumps({"settle": {"tenant": "acme", "dataset": "none"}})) == []
    )
    assert app.datasets.get("acme", "support").settled_revision == 1


def test_each_post_is_counted_once_as_what_it_ended_as(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[str] = []
    monkeypatch.setattr("tuneloop.store.objects.drop_reader.count", counted.append)
    drops = [post_examples(world, name) for name in "ab"]

    deliver_posts(*map(post_message, drops))
    deliver_posts(*map(post_message, drops))

    assert counted == ["DropsCollected"] * 2


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=6), min_size=1, max_size=5), st.data())
def test_any_deliveries_come_to_the_same(world: World, deliveries: list[list[int]], data: st.DataObject) -> None:
    name = f"d-{data.draw(st.uuids()).hex}"
    drops = [post_examples(world, f"a{n}", dataset=name) for n in range(6)]

    for numbers in [*deliveries, list(range(6))]:
        assert deliver_posts(*(post_message(drops[number], name) for number in numbers)) == []

    found: list[Drop] = [app.datasets.drop("acme", name, drop) for drop in drops]
    assert [drop.examples for drop in found] == [1] * 6
    assert stored_answers(name) == [f"a{n}" for n in range(6)]
