"""The events contract: what producers announce, what rules let through and what consumers understand is one thing."""

import json
from datetime import timedelta
from io import StringIO
from typing import Any, get_args

import boto3
import pytest
from pydantic import ValidationError

from check_status.sunset import Sunsets
from check_status.sweep import StuckRuns
from infra.functions import FUNCTIONS
from tests.examples import chat
from tests.functions import steps
from tests.functions.conftest import reach, tenant_of
from tests.functions.event_files import EVENTS, FILES, read
from tests.functions.runs import delete_run
from tests.world import BUCKET, BUS, World, invoke, staged
from tuneloop.app import app, utc_now
from tuneloop.domain.events import SOURCE, AnyEvent, DomainEvent, parse_event
from tuneloop.domain.serving.sunset import Shutdowns
from tuneloop.domain.training.runs import ControlledRun, RunStatus
from tuneloop.runtime.entry_point import FunctionFailed

CANARY = "the purple heron dances at noon"
LARGEST_DETAIL = 8 << 10
KINDS: tuple[type[DomainEvent], ...] = get_args(get_args(AnyEvent)[0])
SUBSCRIPTIONS = [(spec, kind) for spec in FUNCTIONS for kind in spec.events]
DOMAIN_FILES = [name for name in FILES if read(name).get("source") == SOURCE]
Envelope = dict[str, Any]


def matches(pattern: dict[str, Any], event: Envelope) -> bool:
    """EventBridge's rules as far as ours use them: nested fields, exact values and prefixes."""
    return all(
        name in event
        and (
            matches(rule, event[name])
            if isinstance(rule, dict)
            else any(_fits(accepted, event[name]) for accepted in rule)
        )
        for name, rule in pattern.items()
    )


def _fits(option: Any, value: Any) -> bool:
    if isinstance(option, dict) and "prefix" in option:
        return str(value).startswith(option["prefix"])
    return bool(option == value)


@pytest.fixture(scope="module")
def announced(trainer: str) -> list[Envelope]:
    """The events of a whole loop over examples, questions and corrections that all hold the canary."""
    with pytest.MonkeyPatch.context() as patch, staged(patch, tenant_of(__name__)) as world:
        reach(world, trainer, patch)
        lines = [chat(f"{CANARY}, order {n}", f"{CANARY}: {('late', 'lost')[n % 2]}", CANARY) for n in range(80)]
        steps.settled(world, lines)
        steps.settled(world, [chat(CANARY, CANARY, split="train")], dataset="small")
        [run] = [run for run in steps.runs(world) if run["dataset"] == "support"]
        silent(app.runs.get(world.tenant, run["id"]))
        steps.followed(world, run["id"])
        world.settle()
        steps.decide(world, "deactivate")
        steps.registered(world, provider_model=CANARY)
        steps.share(world, 1, 0.5)
        answer = steps.ask(world, CANARY, user=CANARY).body
        feedback = {"inference_id": answer["id"], "correction": CANARY}
        world.call("POST /v1/feedback", "/v1/feedback", feedback)
        delete_run(app.runs.get(world.tenant, run["id"]))
        world.schedule("check-status", "daily")
        now = utc_now()
        ends = {steps.BASE_MODEL: now.date() + timedelta(days=20)}
        app.provider_rows.save_shutdowns(Shutdowns(provider="trainer", models=ends, read_at=now))
        Sunsets(app.providers, app.tenants, app.models, app.exports, app.provider_rows, now).announce()
        world.settle()
        return world.events


def silent(run: ControlledRun) -> None:
    """Let the sweep find that nothing was heard of a run for three hours."""
    long_ago = utc_now() - timedelta(hours=3)
    at_provider = {"last_heard_at": long_ago, "status": RunStatus.RUNNING}
    heard = app.runs.save(run.model_copy(update=at_provider))
    StuckRuns(app.runs, utc_now()).report_if_stuck(heard, lambda still: still)


@pytest.fixture
def bus(world: World) -> Any:
    """A reader of everything that reaches the bus, whatever its source."""
    url = world.sqs.create_queue(QueueName="everything")["QueueUrl"]
    client = boto3.client("events")
    client.put_rule(Name="all", EventBusName=BUS, EventPattern=json.dumps({"account": ["123456789012"]}))
    arn = "arn:aws:sqs:us-east-1:123456789012:everything"
    client.put_targets(Rule="all", EventBusName=BUS, Targets=[{"Id": "queue", "Arn": arn}])

    def received() -> list[Envelope]:
        messages = world.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(message["Body"]) for message in messages]

    return received


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_event_carries_its_type_its_tenant_and_its_schema_s_version(kind: type[DomainEvent]) -> None:
    assert kind.model_fields["type"].default == kind.__name__
    assert kind.model_fields["schema_version"].default == 1
    assert kind.model_fields["tenant"].is_required()
    assert kind.__doc__


def test_whoever_subscribes_subscribes_to_an_event_that_exists() -> None:
    assert {kind for _, kind in SUBSCRIPTIONS} <= {kind.__name__ for kind in KINDS}


def test_a_whole_loop_announces_every_kind_of_event(announced: list[Envelope]) -> None:
    assert {event["detail-type"] for event in announced} == {kind.__name__ for kind in KINDS}


def test_what_is_announced_is_what_its_model_says(announced: list[Envelope]) -> None:
    for event in announced:
        parsed = parse_event.validate_python(event["detail"])
        assert parsed.type == event["detail-type"]
        assert parsed.model_dump(mode="json", exclude_none=True) == event["detail"]


def test_what_is_announced_is_small_and_holds_no_content(announced: list[Envelope]) -> None:
    for event in announced:
        text = json.dumps(event["detail"])
        assert len(text.encode()) <= LARGEST_DETAIL
        assert "heron" not in text


def test_logs_hold_no_content(live: World, log: StringIO) -> None:
    steps.registered(live)
    live.drop("support", [chat(CANARY, CANARY)])
    live.drop("support", json.dumps({"messages": [{"role": CANARY, "content": CANARY}]}).encode(), name="bad.jsonl")
    steps.ask(live, CANARY, user=CANARY)
    steps.ask(live, CANARY, model=CANARY)

    assert log.getvalue()
    assert "heron" not in log.getvalue()


@pytest.mark.xdist_group("infra")
def test_what_is_relayed_reaches_its_subscribers_and_nobody_else(
    bus: Any, announced: list[Envelope], patterns: dict[str, dict[str, Any]]
) -> None:
    latest = {event["detail-type"]: event for event in announced}

    for kind, event in latest.items():
        invoke("relay-events", stream_of(event))
        [envelope] = bus()
        consumers = {spec.name for spec, name in SUBSCRIPTIONS if name == kind}
        woken = {name for name, pattern in patterns.items() if matches(pattern, envelope)}
        assert woken == {f"tuneloop-local-{consumer}-events" for consumer in consumers}
        assert parse_event.validate_python(envelope["detail"]).type == kind


def stream_of(event: Envelope) -> dict[str, Any]:
    sent = read("relay_events.stream")
    image = sent["Records"][0]["dynamodb"]["NewImage"]
    image["event_type"] = {"S": event["detail-type"]}
    image["detail"] = {"S": json.dumps(event["detail"])}
    return sent


@pytest.mark.xdist_group("infra")
def test_the_rules_match_the_payloads_that_are_kept_as_examples(patterns: dict[str, dict[str, Any]]) -> None:
    drops = patterns["tuneloop-local-collect-examples-drops"]
    bucket = {"bucket": {"name": [BUCKET]}}

    assert matches({**drops, "detail": drops["detail"] | bucket}, read("collect_examples.drop"))
    for name in DOMAIN_FILES:
        function = name.partition(".")[0].replace("_", "-")
        assert matches(patterns[f"tuneloop-local-{function}-events"], read(name)), name


@pytest.mark.parametrize("name", DOMAIN_FILES)
@pytest.mark.usefixtures("world")
def test_an_event_of_another_schema_is_refused_loudly(name: str, log: StringIO) -> None:
    event = read(name)
    event["detail"]["schema_version"] = 2

    with pytest.raises(FunctionFailed, match="ValidationError"):
        invoke(name.partition(".")[0], event)

    assert '"error":"ValidationError"' in log.getvalue()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_event_without_its_tenant_is_none(kind: type[DomainEvent], announced: list[Envelope]) -> None:
    detail = next(event["detail"] for event in announced if event["detail-type"] == kind.__name__)

    with pytest.raises(ValidationError, match="tenant"):
        parse_event.validate_python({name: value for name, value in detail.items() if name != "tenant"})


def test_the_kept_payloads_are_written_as_the_outbox_writes_them() -> None:
    for name in DOMAIN_FILES:
        detail = json.loads((EVENTS / f"{name}.json").read_text("utf-8"))["detail"]
        assert json.loads(parse_event.validate_python(detail).model_dump_json(exclude_none=True)) == detail


def test_an_event_s_id_is_what_it_is_about_and_how_often_that_was_written(world: World) -> None:
    steps.registered(world)
    steps.decide(world, "activate")

    [asked, ready, changed] = list(app.outbox.backlog(utc_now()))

    assert (asked.pk, asked.sk) == ("T#acme#EVENTS#verification.support.1", "00000001")
    assert (ready.pk, ready.sk) == ("T#acme#EVENTS#version.support.1", "00000001")
    assert (changed.pk, changed.sk) == ("T#acme#EVENTS#deployment.support", "00000002")
