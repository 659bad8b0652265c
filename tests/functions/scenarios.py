"""A scenario for every file in `events/`: the world in which the event means something, and what it must have done.

Each scenario is a generator: it prepares, yields, is sent the handler's answer, and looks.
"""

import json
from collections.abc import Callable, Generator
from math import inf
from typing import Any

from infra.functions import FUNCTIONS
from tests.functions import steps
from tests.world import BUCKET, World, invoke
from tuneloop.app import app, utc_now
from tuneloop.domain.core.access import ApiKey, Scope, key_hash
from tuneloop.domain.datasets.drops import Drop
from tuneloop.domain.datasets.erasures import subject_erasure
from tuneloop.domain.evaluation.evaluations import Evaluation
from tuneloop.domain.events import DatasetSettled
from tuneloop.domain.exports.exports import Export
from tuneloop.domain.training.providers import BEDROCK
from tuneloop.domain.training.runs import ControlledRun, RunStatus
from tuneloop.store import keys
from tuneloop.store.dynamodb import ConditionalDelete, ConditionalPut, EmitEvent

Event = dict[str, Any]
Scenario = Generator[None, Any, None]
SCENARIOS: dict[str, Callable[[World, Event], Scenario]] = {}


def expected_files() -> set[str]:
    """The files that the table of functions asks for: one per trigger, and one request per API."""
    return {f"{spec.package}.{trigger}" for spec in FUNCTIONS for trigger in _triggers(spec)}


def _triggers(spec: Any) -> list[str]:
    kinds = {"http": spec.routes, "drop": spec.drops, "queue": spec.queue, "stream": spec.stream}
    kinds |= {"bedrock": spec.bedrock.hears_jobs}
    schedules = [schedule.name for schedule in spec.schedules]
    return [*(kind for kind, wakes in kinds.items() if wakes), *spec.events, *schedules]


def scenario(name: str) -> Callable[[Callable[[World, Event], Scenario]], Callable[[World, Event], Scenario]]:
    """Register the scene of a file."""

    def register(play: Callable[[World, Event], Scenario]) -> Callable[[World, Event], Scenario]:
        SCENARIOS[name] = play
        return play

    return register


def _admit(world: World, event: Event) -> None:
    secret = event["headers"]["authorization"].removeprefix("Bearer ")
    scopes = frozenset(Scope)
    key = ApiKey(id="key-example", tenant=world.tenant, hash=key_hash(secret), scopes=scopes, created_at=utc_now())
    app.tenants.add_key(key)


def _dirty(world: World) -> None:
    world.drop("support", steps.questions(90))


def _exported(world: World, export: str) -> None:
    """Freeze the dataset, and store the export under the id that the event names."""
    _dirty(world)
    event = {"tenant": world.tenant, "dataset": "support", "revision": 1}
    invoke("export-data", {"source": "tuneloop", "detail-type": "DatasetSettled", "detail": event})
    [frozen] = app.exports.page(world.tenant, "support", 10, None).data
    renamed = frozen.model_copy(update={"id": export, "seq": 0})
    for name in ("members.bin", "fingerprints.bin"):  # which are found by the export's id
        world.s3.copy({"Bucket": BUCKET, "Key": f"{frozen.folder}/{name}"}, BUCKET, f"{renamed.folder}/{name}")
    app.table.commit(ConditionalPut(keys.export(world.tenant, "support", export), renamed))


def _requested(world: World, run: str, export: str, **fields: Any) -> ControlledRun:
    made = ControlledRun(
        id=run,
        tenant=world.tenant,
        provider="trainer",
        model="support",
        base_model=steps.BASE_MODEL,
        dataset="support",
        export=export,
        revision=1,
        created_at=utc_now(),
        **fields,
    )
    return app.runs.save(made)


def _run(world: World, run: str) -> ControlledRun:
    return app.runs.get(world.tenant, run)


def _exports(world: World) -> list[Export]:
    return app.exports.page(world.tenant, "support", 10, None).data


@scenario("collect_examples.http")
def examples_are_posted(world: World, event: Event) -> Scenario:
    _admit(world, event)
    answer = yield
    assert answer["statusCode"] == 202
    world.settle()
    assert app.datasets.get(world.tenant, "support").examples == 1


@scenario("collect_examples.drop")
def a_file_is_dropped(world: World, event: Event) -> Scenario:
    content = "\n".join(json.dumps(line) for line in steps.questions(12)).encode()
    stored = event["detail"]["object"]
    stored["version-id"] = world.s3.put_object(Bucket=BUCKET, Key=stored["key"], Body=content)["VersionId"]
    yield
    assert app.datasets.get(world.tenant, "support").examples == 12


@scenario("collect_posts.queue")
def posted_examples_and_a_reminder_arrive(world: World, event: Event) -> Scenario:
    posted = json.loads(event["Records"][0]["body"])["collect"]
    world.call("POST /v1/datasets", "/v1/datasets", {"id": "support"})
    drop = Drop(id=posted["drop"], tenant=world.tenant, dataset="support", object="api", created_at=utc_now())
    app.datasets.save_drop(drop)
    content = json.dumps(steps.questions(1)[0]).encode()
    world.s3.put_object(Bucket=BUCKET, Key=f"posted/{world.tenant}/support/{drop.id}.jsonl", Body=content)
    answer = yield
    assert answer == {"batchItemFailures": []}
    assert app.datasets.drop(world.tenant, "support", posted["drop"]).examples == 1
    assert app.datasets.get(world.tenant, "support").settled_revision == 1


@scenario("collect_examples.TrainingRunFinished")
@scenario("collect_examples.every-5-minutes")
def changes_settle(world: World, _: Event) -> Scenario:
    _dirty(world)
    yield
    assert app.datasets.get(world.tenant, "support").settled_revision == 1


@scenario("export_data.http")
def an_export_is_read(world: World, event: Event) -> Scenario:
    _admit(world, event)
    _exported(world, event["pathParameters"]["export"])
    answer = yield
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"])["files"]["train"]["url"].startswith("https://")


@scenario("export_data.DatasetSettled")
@scenario("export_data.TrainingRunRequested")
def a_revision_is_frozen(world: World, _: Event) -> Scenario:
    _dirty(world)
    yield
    assert [export.revision for export in _exports(world)] == [1]


@scenario("review_examples.http")
def examples_are_looked_for(world: World, event: Event) -> Scenario:
    _admit(world, event)
    _dirty(world)
    answer = yield
    found = json.loads(answer["body"])
    assert (answer["statusCode"], len(found["data"]), found["total"]) == (200, 2, 90)


@scenario("erase_examples.http")
def an_example_is_erased(world: World, event: Event) -> Scenario:
    _admit(world, event)
    _dirty(world)
    answer = yield
    assert answer["statusCode"] == 202
    assert json.loads(answer["body"])["status"] == "excluded"


@scenario("erase_examples.every-5-minutes")
def an_erasure_waits(world: World, _: Event) -> Scenario:
    world.drop("support", steps.questions(12, subject="user-1"))
    asked = app.erasures.add(subject_erasure(world.tenant, "user-1", utc_now()))
    yield
    assert app.erasures.get(world.tenant, asked.id).status == "rewritten"
    assert app.datasets.segments(world.tenant, "support", 2) == []


@scenario("launch_finetune.http")
def a_run_is_asked_for(world: World, event: Event) -> Scenario:
    _admit(world, event)
    _dirty(world)
    answer = yield
    assert answer["statusCode"] == 202
    assert _run(world, json.loads(answer["body"])["id"]).hyperparameters == {"n_epochs": 3}


@scenario("launch_finetune.DatasetSettled")
def a_settled_drop_is_wanted(world: World, _: Event) -> Scenario:
    _dirty(world)
    world.schedule("collect-examples")
    yield
    assert [run["status"] for run in steps.runs(world)] == ["requested"]


@scenario("launch_finetune.monthly")
def a_changed_dataset_is_due(world: World, _: Event) -> Scenario:
    _dirty(world)
    steps.registered(world)
    version = app.models.version(world.tenant, "support", 1)
    trained = version.model_copy(update={"dataset": "support", "run": "run-1"})
    app.table.commit(ConditionalPut(keys.version(world.tenant, "support", 1), trained))
    yield
    assert [run["status"] for run in steps.runs(world)] == ["requested"]


@scenario("launch_finetune.TrainingRunRequested")
@scenario("launch_finetune.ExportCreated")
def a_frozen_run_is_submitted(world: World, event: Event) -> Scenario:
    export = event["detail"]["export"]
    run = event["detail"].get("run", "run-that-waits")
    _exported(world, export)
    _requested(world, run, export)
    yield
    assert _run(world, run).provider_job_id


@scenario("launch_finetune.every-5-minutes")
def a_run_was_left_behind(world: World, _: Event) -> Scenario:
    _exported(world, "export-1")
    _requested(world, "run-1", "export-1")
    yield
    assert _run(world, "run-1").provider_job_id


@scenario("check_status.http")
def a_run_is_read(world: World, event: Event) -> Scenario:
    _admit(world, event)
    _requested(world, event["pathParameters"]["run"], "export-1")
    answer = yield
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"])["status"] == "requested"


@scenario("check_status.every-5-minutes")
def a_run_is_at_the_provider(world: World, _: Event) -> Scenario:
    steps.settled(world, steps.questions(60))
    [run] = steps.runs(world)
    first = _run(world, run["id"])
    app.runs.save(first.model_copy(update={"status": RunStatus.QUEUED, "provider_status": "not known yet"}))
    yield
    assert _run(world, run["id"]).provider_status in ("validating_files", "queued", "running", "succeeded")


@scenario("check_status.bedrock")
def a_job_on_bedrock_is_a_run_s(world: World, event: Event) -> Scenario:
    steps.settled(world, steps.questions(60))
    run = _run(world, steps.runs(world)[0]["id"])
    job = {"provider": BEDROCK.name, "provider_job_id": event["detail"]["jobArn"], "checked_at": None}
    app.runs.adopt(run.model_copy(update=job))
    app.providers._created[BEDROCK.name] = app.providers.get("trainer"), BEDROCK, inf
    yield
    assert _run(world, run.id).missed_at  # it was asked for, and the provider of this test knows no such job


@scenario("check_status.VersionVerificationRequested")
def a_version_was_registered_by_hand(world: World, _: Event) -> Scenario:
    world.call("POST /v1/models", "/v1/models", {"id": "support"})
    body = {"provider_model": "mistyped"}
    made = world.call("POST /v1/models/{model}/versions", "/v1/models/support/versions", body)
    assert made.body["status"] == "verifying"
    yield
    assert app.models.version(world.tenant, "support", 1).status == "failed"


@scenario("check_status.daily")
def a_run_s_row_was_lost(world: World, _: Event) -> Scenario:
    steps.settled(world, steps.questions(60))
    run = _run(world, steps.runs(world)[0]["id"])
    app.table.commit(
        ConditionalDelete(keys.run(world.tenant, run.id)),
        ConditionalDelete(keys.job(run.provider, run.provider_job_id or "")),
    )
    yield
    assert _run(world, run.id).provider_job_id == run.provider_job_id


@scenario("evaluate.http")
@scenario("evaluate.VersionReady")
def a_version_is_to_be_proved(world: World, event: Event) -> Scenario:
    _exported(world, "export-5d0c1f7ab2e94c3688d1f0a7")
    steps.registered(world)
    version = app.models.version(world.tenant, "support", 1)
    proved = version.model_copy(update={"dataset": "support", "export": "export-5d0c1f7ab2e94c3688d1f0a7"})
    app.table.commit(ConditionalPut(keys.version(world.tenant, "support", 1), proved))
    if "headers" in event:
        _admit(world, event)
    yield
    [evaluation] = app.evaluations.page(world.tenant, 10, None).data
    assert (evaluation.candidate, evaluation.stable, evaluation.status) == (1, 0, "requested")


@scenario("evaluate.EvaluationRequested")
@scenario("evaluate.every-5-minutes")
def an_evaluation_is_open(world: World, event: Event) -> Scenario:
    evaluation = event.get("detail", {}).get("evaluation", "eval-1")
    _exported(world, "export-1")
    steps.registered(world)
    asked = Evaluation(
        id=evaluation,
        tenant=world.tenant,
        model="support",
        candidate=1,
        stable=0,
        dataset="support",
        export="export-1",
        created_at=utc_now(),
    )
    app.evaluations.save(asked, now=utc_now())
    yield
    assert app.evaluations.get(world.tenant, evaluation).status == "completed"


@scenario("activate_model.http")
def a_candidate_gets_its_share(world: World, event: Event) -> Scenario:
    _admit(world, event)
    steps.registered(world)
    yield
    assert steps.deployment(world)["share"] == 0.2


@scenario("activate_model.EvaluationCompleted")
def a_candidate_is_proved(world: World, event: Event) -> Scenario:
    steps.registered(world)
    steps.proved(world, event["detail"]["evaluation"])
    yield
    assert steps.deployment(world)["stable"] == 1


@scenario("complete_chat.http")
def a_user_asks(world: World, event: Event) -> Scenario:
    _admit(world, event)
    steps.registered(world)
    answer = yield
    assert json.loads(answer["body"])["tuneloop"]["version"] == 0


@scenario("record_usage.http")
def usage_is_read(world: World, event: Event) -> Scenario:
    _admit(world, event)
    answer = yield
    assert json.loads(answer["body"])["first_day"] == "2026-11-01"


@scenario("record_usage.queue")
def usage_arrives(world: World, _: Event) -> Scenario:
    world.call("POST /v1/models", "/v1/models", {"id": "support"})
    answer = yield
    assert answer == {"batchItemFailures": []}
    rows = steps.usage(world, first_day="2026-11-20", last_day="2026-11-20")
    assert [(row["version"], row["calls"], row["prompt_tokens"]) for row in rows] == [(1, 1, 68)]


@scenario("relay_events.stream")
@scenario("relay_events.every-5-minutes")
def an_event_waits(world: World, _: Event) -> Scenario:
    waiting = DatasetSettled(tenant=world.tenant, dataset="support", revision=1)
    long_ago = utc_now().replace(year=2025)
    app.table.commit(EmitEvent(waiting, 3, long_ago))
    yield
    assert list(app.outbox.backlog(utc_now())) == []
