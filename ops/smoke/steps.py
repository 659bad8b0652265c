"""The steps of a smoke test: once round the loop on a deployed stage, then a check of every function's log."""

import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.live import Live
from rich.padding import Padding

from infra.stage import Stage
from ops.smoke.journey import Journey, LoopError, describe_split
from ops.smoke.log_check import LogFindings, invoke_scheduled, wait_for_findings
from ops.smoke.plan import SmokePlan, question_of
from ops.smoke.progress_view import ProgressView
from tuneloop.cli.runs import RunProgress

COLLECT_TIMEOUT_S = 120
# A new bucket sends no events for about five minutes (S3's guide, Enabling Amazon EventBridge, read 2026-11). Only the
# sweep finds such a file, at a turn of its five-minute rule once the file is `unseen_after_s` old.
SWEEP_S = 300
LATE = (
    "S3 sent no event for the files, as in the first minutes of a bucket: the sweep finds them within {:.0f} minutes."
)
# These limits are far above what the steps take, so that only a step that hangs ends the test. A deployment takes
# minutes, as Bedrock's guide says.
DECISION_TIMEOUT_S = 300
DEPLOY_TIMEOUT_S = 1800
EVALUATION_TIMEOUT_S = 900
COUNT_TIMEOUT_S = 120
USER = "smoke-user"
REASON = "the smoke test is over"


@dataclass(kw_only=True)
class SmokeTest(Journey):
    """One smoke test: its options, and what it has made, measured and spent so far."""

    plan: SmokePlan
    cap: Decimal
    timeout_minutes: float
    unseen_after_s: int
    view: ProgressView = field(default_factory=ProgressView)
    key_id: str = ""
    run: dict[str, Any] = field(default_factory=dict)
    evaluation: dict[str, Any] = field(default_factory=dict)
    usage: list[dict[str, Any]] = field(default_factory=list)
    version: dict[str, Any] = field(default_factory=dict)
    is_removed: bool = False

    @property
    def collect_s(self) -> int:
        """The seconds within which a dropped file is collected even if S3 sends no event for it."""
        return self.unseen_after_s + SWEEP_S + COLLECT_TIMEOUT_S

    def close_loop(self) -> None:
        """Go round the loop once; LoopError where a step does not do what it should."""
        with self.view.step("Make a tenant and an API key"):
            self.key_id = self.make_key()
            self.view.say(f"tenant {self.tenant}, key {self.key_id}")
        with self.view.step("Drop training data into S3"):
            self._drop()
        with self.view.step("Freeze an export and train on it"):
            self._train()
        with self.view.step("Compare on held-out examples"):
            self._evaluate()
        with self.view.step("Activate, ask, rate, account"):
            self._serve()
        if is_hosted(self.version):
            with self.view.step("Retire what was trained"):
                retire_version(self, self.run["version"])
                self.view.say("the base model serves again; the next turn of check-status removes deployment and model")

    def check_logs(self, stage: Stage, since: datetime) -> list[LogFindings]:
        """Invoke the functions of the five-minute schedule, then read every function's log and print the findings."""
        with self.view.step("Check every function's log"):
            errors = invoke_scheduled(stage, self.stack.client("lambda"))
            findings = wait_for_findings(stage, self.stack.client("logs"), since, errors)
            self.view.show_findings(findings)
        return findings

    def check_removal(self) -> None:
        """Set `is_removed` to whether the provider has deleted the retired version's deployment and model."""
        self.is_removed = is_hosted(self.version) and is_version_removed(self, self.run["version"])

    def revoke_key(self) -> None:
        """Revoke the test's key, if it was made."""
        if self.key_id:
            self.tenants.revoke_key(self.tenant, self.key_id, datetime.now(UTC))

    def _drop(self) -> None:
        self.api.post("/datasets", {"id": self.dataset, "on_drop": "collect", "max_run_usd": float(self.cap)})
        with tempfile.TemporaryDirectory() as folder:
            for name, lines, split in (("train", self.plan.train, ""), ("test", self.plan.test, "test/")):
                file = Path(folder) / f"{name}.jsonl"
                file.write_bytes(b"\n".join(lines) + b"\n")
                self.view.say(f"s3://…/{self.drop(file, split)}")
        with self.view.if_late(COLLECT_TIMEOUT_S, LATE.format(self.collect_s / 60)):
            drops = self.wait_for_drops(2, self.collect_s)
        for drop in drops:
            self.view.say(f"{drop['examples']} examples from {drop['object'].rpartition('/')[2]}")
        self.view.say(self.describe_eligibility())

    def _train(self) -> None:
        self.run = self.api.post("/training-runs", {"dataset": self.dataset})
        progress = RunProgress()
        status = ""
        with Live(Padding(progress, (0, 0, 0, 2)), console=self.view.console, refresh_per_second=4, transient=True):
            for run, events in self.follow(self.run["id"], self.timeout_minutes * 60):
                self.run = run
                progress.update(run, events)
                if run["status"] == "awaiting_confirmation" and self.plan.total_usd is None:
                    self.api.post(f"/training-runs/{run['id']}/confirm", {})
                elif run["status"] == "awaiting_confirmation":
                    raise LoopError(
                        f"The run waits for {run['waiting_for']} It costs nothing as long as nobody confirms."
                    )
                if run["status"] != status:
                    status = run["status"]
                    self.view.say(f"{datetime.now(UTC):%H:%M:%S} {status}")
        if status != "succeeded":
            raise LoopError(f"The run ended as {status}: {(self.run.get('error') or {}).get('message')}")
        self.view.say(describe_split(self.api.get(f"/datasets/{self.dataset}/exports/{self.run['export']}")))
        self.version = self.wait_for_version(self.run, DEPLOY_TIMEOUT_S)
        if is_hosted(self.version):
            self.view.say(f"deployed as {self.version['deployment']}")
        self.view.say(f"version {self.run['version']} is ready: {self.run['fine_tuned_model']}")

    def _evaluate(self) -> None:
        with self.view.evaluation_bar() as show:
            self.evaluation = self.wait_for_evaluation(show, EVALUATION_TIMEOUT_S)
        self.view.show_arms(self.evaluation)
        self.view.say(f"the gate: {self.wait_for_decision(DECISION_TIMEOUT_S)['reason']}")
        self.view.say("so few lines say nothing about your data: whatever the gate says, the test activates it")

    def _serve(self) -> None:
        version = self.run["version"]
        self.api.post(f"/models/{self.dataset}/activate", {"version": version, "reason": "the smoke test"})
        with self.openai() as client:
            answer = self.ask(client, question_of(self.plan.test[0]), USER)
        if answer.version != version:
            raise LoopError(f"Version {version} should have answered, not {answer.version}.")
        self.view.say(f"version {version} answers {answer.text}")
        self.api.post("/feedback", {"inference_id": answer.id, "rating": 5})
        self.wait_for("Counting the rating", lambda: self._count_ratings() == 1, COUNT_TIMEOUT_S)
        self.usage = self.wait_for_usage(COUNT_TIMEOUT_S)
        self.view.show_usage(self.usage)

    def _count_ratings(self) -> int:
        rows: list[dict[str, Any]] = self.api.get("/usage", model=self.dataset)["data"]
        return sum(row["ratings"] for row in rows)


def is_hosted(version: dict[str, Any]) -> bool:
    """Whether a version's provider keeps a deployment for it, which is deleted when the version is retired."""
    return bool(version.get("deployment"))


def retire_version(journey: Journey, number: int) -> None:
    """Roll back to the version that served before, and retire this one, by the routes that any user has.

    A turn of check-status then ends the version's deployment, and a later one deletes its model.
    """
    journey.api.post(f"/models/{journey.dataset}/rollback", {"reason": REASON})
    journey.api.delete(version_path(journey.dataset, number))


def is_version_removed(journey: Journey, number: int) -> bool:
    """Whether the provider has nothing of a retired version any more; LoopError where the version is not listed."""
    versions = journey.api.get(f"/models/{journey.dataset}/versions")["data"]
    version = next((version for version in versions if version["number"] == number), None)
    if version is None:
        raise LoopError(f"Version {number} of {journey.dataset} is not listed.")
    return version["removed_at"] is not None


def version_path(model: str, number: int | str) -> str:
    """The route of a version, below the base URL."""
    return f"/models/{model}/versions/{number}"
