"""record-usage through its real entry point: what is counted, once, and for whom."""

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest

from tests.functions import steps
from tests.functions.record_usage.usage_messages import deliver_usage, inference_id, usage_message, usage_record
from tests.world import Answer, World
from tuneloop.app import utc_now


def report(world: World, **query: str) -> list[dict[str, Any]]:
    world.call("POST /v1/models", "/v1/models", {"id": "support"})
    return steps.usage(world, first_day="2026-11-01", last_day="2026-11-30", **query)


def say(world: World, name: str, **feedback: Any) -> Answer:
    return world.call("POST /v1/feedback", "/v1/feedback", {"inference_id": name, **feedback})


def test_calls_tokens_and_dollars_are_summed_per_version(world: World) -> None:
    deliver_usage(
        usage_message("one", usage_record(), usage_record()),
        usage_message("two", usage_record(version=2, cost_usd=0.5)),
    )

    first, second = report(world)

    assert (first["version"], first["calls"], first["prompt_tokens"], first["completion_tokens"]) == (1, 2, 200, 20)
    assert (first["cost_usd"], second["cost_usd"]) == (0.002, 0.5)
    assert (second["version"], second["calls"], second["day"]) == (2, 1, None)


def test_a_batch_delivered_twice_counts_once(world: World) -> None:
    for _ in range(2):
        assert deliver_usage(usage_message("one", usage_record())) == {"batchItemFailures": []}
    deliver_usage(usage_message("one", usage_record()), usage_message("one", usage_record()))

    assert [row["calls"] for row in report(world)] == [1]


def test_a_batch_of_the_same_name_of_another_tenant_is_another(world: World) -> None:
    deliver_usage(
        usage_message("one", usage_record()), usage_message("one", usage_record(), usage_record(), tenant="rival")
    )

    assert [row["calls"] for row in report(world)] == [1]


def test_a_message_that_cannot_be_read_fails_alone(world: World, log: StringIO) -> None:
    answer = deliver_usage(
        usage_message("one", usage_record()), '{"id": "two", "secret": "heron"}', usage_message("three", usage_record())
    )

    assert answer == {"batchItemFailures": [{"itemIdentifier": "message-1"}]}
    assert [row["calls"] for row in report(world)] == [2]
    assert '"error":"ValidationError"' in log.getvalue()
    assert "heron" not in log.getvalue()


def test_calls_without_a_price_are_counted_apart_and_not_as_free(world: World) -> None:
    deliver_usage(usage_message("one", usage_record(cost_usd=None), usage_record()))

    [row] = report(world)

    assert (row["calls"], row["unpriced_calls"], row["cost_usd"]) == (2, 1, 0.001)


def test_small_amounts_add_up_exactly(world: World) -> None:
    for number in range(30):
        deliver_usage(usage_message(f"batch-{number}", usage_record(cost_usd=0.0000371)))

    [row] = report(world)

    assert (row["calls"], row["cost_usd"]) == (30, 0.001113)


def test_days_and_models_can_be_told_apart(world: World) -> None:
    deliver_usage(
        usage_message(
            "one", usage_record(day="2026-11-02"), usage_record(day="2026-11-03"), usage_record(day="2026-10-31")
        )
    )
    world.call("POST /v1/models", "/v1/models", {"id": "other"})

    by_day = report(world, by="day")
    narrow = steps.usage(world, first_day="2026-11-03", last_day="2026-11-03")

    assert [(row["day"], row["calls"]) for row in by_day] == [("2026-11-02", 1), ("2026-11-03", 1)]
    assert [row["calls"] for row in narrow] == [1]
    assert steps.usage(world, model="other") == []


def test_without_days_it_is_the_last_thirty(world: World) -> None:
    body = world.call("GET /v1/usage", "/v1/usage").body

    today = utc_now().date()
    assert body["last_day"] == today.isoformat()
    assert body["first_day"] == (today - timedelta(days=30)).isoformat()


def test_feedback_counts_for_the_version_that_answered(world: World) -> None:
    for _ in range(2):
        steps.registered(world)
    answers = [
        say(world, inference_id("a"), rating=5),
        say(world, inference_id("b"), correction="No, the other shop."),
        say(world, inference_id("c", version=2), rating=1),
    ]

    assert [answer.status for answer in answers] == [202] * 3
    assert [answer.body["version"] for answer in answers] == [1, 1, 2]
    assert answers[1].body["becomes_example"] is False
    assert answers[1].body["reason"]
    rows = report(world)
    counted = [(row["version"], row["feedback"], row["ratings"], row["rating_sum"], row["corrections"]) for row in rows]
    assert counted == [(1, 2, 1, 5, 1), (2, 1, 1, 1, 0)]


def test_feedback_on_a_version_that_never_was_counts_nowhere(world: World) -> None:
    steps.registered(world)

    assert say(world, inference_id(version=99), rating=5).status == 404
    assert report(world) == []


def test_feedback_said_again_replaces_what_it_says_anew(world: World) -> None:
    steps.registered(world)
    say(world, inference_id(), rating=2)
    say(world, inference_id(), rating=2)
    say(world, inference_id(), rating=5)
    say(world, inference_id(), correction="better so")

    [row] = report(world)

    assert (row["feedback"], row["ratings"], row["rating_sum"], row["corrections"]) == (1, 1, 5, 1)


def test_feedback_on_another_tenant_s_answer_is_on_nothing(world: World) -> None:
    assert say(world, inference_id(tenant="rival"), rating=5).status == 404
    assert report(world) == []


@pytest.mark.parametrize(
    ("part", "forged"),
    [(0, "No Model"), (1, "-1"), (1, "+1"), (1, "one"), (2, "01"), (3, "third"), (4, "2026#11"), (4, "20261120")],
)
def test_an_altered_id_is_refused_and_leaves_the_report_readable(part: int, forged: str, world: World) -> None:
    parts = inference_id().removeprefix("chatcmpl-").split(".")
    parts[part] = forged

    answer = say(world, "chatcmpl-" + ".".join(parts), rating=5)

    assert (answer.status, answer.body["error"]["param"]) == (422, "inference_id")
    assert report(world) == []
