"""Scenarios: a run from its request to the version that it makes, and that version to the deployment that it gets.

Each is played on a tenant of its own, to its end or until nothing moves any more, and told as what a user would find:
jobs, files, versions, verdicts, decisions and events, without times and ids.
"""

import json
from collections import Counter
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from itertools import count
from typing import Any

from tests.examples import chat
from tests.faults.invocation import Fault, Invoker, Point, Weather
from tests.faults.loop import Loop, Row, kinds, numbered
from tests.faults.world import DATASET, Ground, Kept
from tests.world import BUCKET
from tuneloop.domain.serving.models import VersionStatus
from tuneloop.domain.training.runs import TERMINAL

QUESTIONS = 150
AFTER_TRAINING = ("VersionReady", "TrainingRunFinished")  # what the second scenario begins with
STATES = ("broken", "gone", "not mine")
TOPICS = ("card", "refund", "transfer", "address", "login")
tenants = count(1)


@dataclass
class Found:
    """What a scenario came to; `extra_…` is what a second job or upload would cost or leave behind."""

    state: dict[str, Any]
    events: Counter[str]
    jobs: int
    extra_files: int
    extra_tokens: int
    calls: list[Point]
    has_fired: bool
    is_over: bool


def lines() -> list[dict[str, Any]]:
    """Questions that a model learns to answer, and its base doesn't know."""
    return [
        chat(
            f"My {TOPICS[n % 5]} number {n * 37} is not {('working', 'there', 'mine')[n % 3]}, what now?",
            f"topic {n % 5}",
        )
        for n in range(QUESTIONS)
    ]


class Theatre:
    """Plays scenarios; templates are gone from the table once they are kept, or the sweeps would find them."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._frozen = self._prepared()
        self._trained = self._with_version()

    def trains(self, fault: Fault | None = None, weather: Weather | None = None) -> Found:
        """From the request of a run to its version."""
        loop = self._loop(self._frozen, fault, weather)
        self._train(loop)
        return self._found(loop, lambda rows: _has_ended(rows) and _is_quiet(rows, but=AFTER_TRAINING))

    def decides(self, fault: Fault | None = None) -> Found:
        """From a version that is ready to its deployment."""
        loop = self._loop(self._trained, fault)
        return self._found(loop, lambda rows: _is_decided(rows) and _is_quiet(rows))

    def _prepared(self) -> Kept:
        loop = Loop(self._ground, "template", self._ground.key("template"), Invoker())
        loop.call("POST /v1/datasets", "/v1/datasets", {"id": DATASET, "on_drop": "collect"})
        content = "\n".join(json.dumps(line) for line in lines()).encode()
        key = f"incoming/template/{DATASET}/examples.jsonl"
        etag = self._ground.s3.put_object(Bucket=BUCKET, Key=key, Body=content)["ETag"].strip('"')
        detail = {"bucket": {"name": BUCKET}, "object": {"key": key, "etag": etag, "size": 1}}
        event = {"id": "drop", "source": "aws.s3", "detail-type": "Object Created", "detail": detail}
        assert loop.invoker.invoke("collect-examples", event).ended == "done"
        loop.call("POST /v1/datasets/{dataset}/exports", f"/v1/datasets/{DATASET}/exports")
        loop.settle(lambda rows: any(numbered(rows, "#EXPORTS")) and _is_quiet(rows))
        return self._kept(loop.tenant)

    def _with_version(self) -> Kept:
        loop = self._loop(self._frozen)
        self._train(loop)
        loop.settle(_has_ended)
        return self._kept(loop.tenant)

    def _kept(self, tenant: str) -> Kept:
        kept = self._ground.kept(tenant)
        self._ground.forget(tenant)
        return kept

    def _train(self, loop: Loop) -> None:
        loop.call("POST /v1/training-runs", "/v1/training-runs", {"dataset": DATASET})

    def _loop(self, kept: Kept, fault: Fault | None = None, weather: Weather | None = None) -> Loop:
        tenant = f"t-{next(tenants):05d}"
        self._ground.copied(kept, tenant)
        return Loop(self._ground, tenant, self._ground.key(tenant), Invoker(fault, weather or Weather()))

    def _found(self, loop: Loop, is_over: Callable[[list[Row]], bool]) -> Found:
        rows = loop.settle(is_over)
        left = self._ground.left({row["id"] for row in numbered(rows, "#RUNS")})
        self._ground.forget(loop.tenant)
        return Found(
            state=_state(rows) | {"served": left.deployments},
            events=kinds(loop.seen),
            jobs=left.jobs,
            extra_files=left.extra_files,
            extra_tokens=left.extra_tokens,
            calls=[Point(*kind, number) for kind, times in loop.invoker.made.items() for number in range(1, times + 1)],
            has_fired=loop.invoker.fired,
            is_over=is_over(rows),
        )


def _is_quiet(rows: Iterable[Row], but: Container[str] = ()) -> bool:
    return not any(row.get("sweep_pk") == "UNRELAYED" and row["event_type"] not in but for row in rows)


def _has_ended(rows: list[Row]) -> bool:
    """Whether runs are over, and what they made can be called."""
    runs = list(numbered(rows, "#RUNS"))
    unserved = any(version["status"] == VersionStatus.DEPLOYING for version in numbered(rows, "VERSION#"))
    return bool(runs) and not unserved and all(run["status"] in TERMINAL for run in runs)


def _is_decided(rows: list[Row]) -> bool:
    return any(row["stable"] == 1 for row in rows if row["sk"] == "DEPLOYMENT")


def _state(rows: list[Row]) -> dict[str, Any]:
    """What a user finds at the end."""
    [deployment] = [row for row in rows if row["sk"] == "DEPLOYMENT"]
    evaluations = [(row["status"], (row.get("verdict") or {}).get("promote")) for row in numbered(rows, "#EVALUATIONS")]
    return {
        "runs": [(row["status"], row["attempt"], row.get("version")) for row in numbered(rows, "#RUNS")],
        "versions": sorted((row["number"], row["status"], row["is_finetuned"]) for row in numbered(rows, "VERSION#")),
        "evaluations": evaluations,
        "looks": len(list(numbered(rows, "#LOOKS"))),
        "deployment": [deployment.get(name) for name in ("stable", "candidate", "previous", "step")],
        "spent": [(row.get("spent_usd"), row.get("reserved_usd")) for row in numbered(rows, "SPENDING")],
        "decisions": [(row["action"], row["stable"]) for row in numbered(rows, "HISTORY#")],
    }
