"""Events: small, typed, and read back as what they were; anything else is refused."""

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from tuneloop.domain.evaluation.verdicts import Verdict
from tuneloop.domain.events import (
    AnyEvent,
    DatasetSettled,
    DeploymentChanged,
    DomainEvent,
    EvaluationCompleted,
    EvaluationRequested,
    ExportCreated,
    ModelSunsetApproaching,
    TrainingRunAdopted,
    TrainingRunFinished,
    TrainingRunRequested,
    TrainingRunStuck,
    VersionReady,
    VersionVerificationRequested,
    parse_event,
)
from tuneloop.domain.training.estimates import UsdRange
from tuneloop.domain.training.model_offers import Successor
from tuneloop.domain.training.runs import RunStatus

NO = Verdict(promote=False, reason="Not proved better.")
EVENTS: list[tuple[AnyEvent, str]] = [
    (DatasetSettled(tenant="acme", dataset="support", revision=3), "dataset.support"),
    (
        ExportCreated(tenant="acme", dataset="support", export="export-1", revision=3, examples=90),
        "export.export-1",
    ),
    (
        TrainingRunRequested(
            tenant="acme", run="run-1", model="support", dataset="support", export="export-1", revision=3
        ),
        "run.run-1",
    ),
    (
        TrainingRunFinished(
            tenant="acme",
            run="run-1",
            model="support",
            dataset="support",
            status=RunStatus.SUCCEEDED,
            version=1,
            training_cost_usd=Decimal("0.27"),
        ),
        "run.run-1",
    ),
    (VersionReady(tenant="acme", model="support", version=1), "version.support.1"),
    (VersionVerificationRequested(tenant="acme", model="support", version=1), "verification.support.1"),
    (EvaluationRequested(tenant="acme", evaluation="eval-1"), "evaluation.eval-1"),
    (
        EvaluationCompleted(tenant="acme", evaluation="eval-1", model="support", candidate=2, stable=1, verdict=NO),
        "evaluation.eval-1",
    ),
    (DeploymentChanged(tenant="acme", model="support", stable=2, reason="Better."), "deployment.support"),
    (
        TrainingRunStuck(tenant="acme", run="run-1", model="support", dataset="support", status=RunStatus.RUNNING),
        "run.run-1",
    ),
    (
        TrainingRunAdopted(
            tenant="acme",
            run="run-1",
            model="support",
            dataset="support",
            export="export-1",
            provider="openai",
            job="ftjob-1",
        ),
        "run.run-1",
    ),
    (
        ModelSunsetApproaching(
            tenant="acme",
            model="support",
            version=1,
            provider="openai",
            base_model="gpt-4.1-2025-04-14",
            shutdown_date=date(2027, 1, 14),
            days_left=54,
            threshold=60,
            successor=Successor(provider="bedrock", base_model="amazon.nova-pro-v1:0"),
            estimate=UsdRange(low=Decimal("1.50"), high=Decimal("1.75")),
        ),
        "sunset.support.1",
    ),
]


@pytest.mark.parametrize(("event", "aggregate"), EVENTS, ids=lambda value: getattr(value, "type", ""))
def test_an_event_is_read_back_as_what_it_was(event: AnyEvent, aggregate: str) -> None:
    detail = event.model_dump_json(exclude_none=True)

    assert parse_event.validate_json(detail) == event
    assert event.aggregate == aggregate
    assert json.loads(detail)["type"] == type(event).__name__
    assert json.loads(detail)["schema_version"] == 1


def test_every_kind_of_event_is_told_apart_by_its_type() -> None:
    assert {type(event) for event, _ in EVENTS} == set(DomainEvent.__subclasses__())


def test_no_two_things_share_an_aggregate() -> None:
    settled = DatasetSettled(tenant="acme", dataset="support", revision=1)
    changed = DeploymentChanged(tenant="acme", model="support", stable=1, reason="Better.")
    versions = [VersionReady(tenant="acme", model=model, version=n) for model, n in (("support", 11), ("support-1", 1))]

    assert len({event.aggregate for event in (settled, changed, *versions)}) == 4


def test_a_field_that_a_later_release_adds_does_no_harm() -> None:
    event = {"type": "EvaluationRequested", "tenant": "acme", "evaluation": "eval-1", "added_later": 1}

    assert parse_event.validate_python(event) == EvaluationRequested(tenant="acme", evaluation="eval-1")


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "EvaluationForgotten"},
        {"schema_version": 2},
        {"tenant": "Acme"},
        {"tenant": "a#b"},
        {"evaluation": None},
    ],
)
def test_what_is_no_event_of_this_release_is_refused(changes: dict[str, Any]) -> None:
    event = {"type": "EvaluationRequested", "tenant": "acme", "evaluation": "eval-1"}

    with pytest.raises(ValidationError):
        parse_event.validate_python({**event, **changes})


def test_an_event_of_the_longest_ids_stays_far_below_what_the_bus_takes() -> None:
    name = "n" * 63
    event = EvaluationCompleted(
        tenant=name,
        evaluation=name,
        model=name,
        candidate=10**6,
        stable=10**6,
        verdict=Verdict(promote=False, reason="r" * 1000),
    )

    assert len(event.model_dump_json()) < 8 * 1024
