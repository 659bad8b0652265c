"""The check of the functions' logs: each was invoked, finished, and left no failure that was not made good."""

import json
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from infra.functions import FUNCTIONS, FunctionSpec
from infra.schedules import EVERY_5_MINUTES
from infra.stage import Stage
from ops.stage_access import DeployedStage

LOGS_S = 90  # CloudWatch shows a line some seconds after it was written
FINISHED = {"answered", "done"}
# What Lambda and AWS themselves say where a function never came to log anything of its own.
PLATFORM = ("Task timed out", "Runtime.", "AccessDenied", "not authorized to perform")


@dataclass
class LogFindings:
    """What one function's log shows since a moment: how often it finished, what failed, and what a retry made good."""

    function: str
    finished: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    recovered: Counter[str] = field(default_factory=Counter)

    @property
    def is_good(self) -> bool:
        """Whether it did its work at least once, and left none undone."""
        return self.finished > 0 and not self.failures

    @property
    def says(self) -> str:
        """What became of the function's invocations, in words."""
        if self.failures:
            return "failed: " + _listed(self.failures)
        if not self.finished:
            return "was never woken, or never finished"
        return "ok" + (f", after {_listed(self.recovered)} that a second try made good" if self.recovered else "")


def invoke_scheduled(stage: Stage, lambdas: Any) -> dict[str, str]:
    """Call the functions of the 5-minute rule as it does, and give the errors of those that failed, by name.

    Never the monthly rule: on a stage in use it would train for every tenant who has changed data, at his expense.
    """
    errors = {}
    for spec in FUNCTIONS:
        if EVERY_5_MINUTES in spec.schedules:
            answer = lambdas.invoke(
                FunctionName=stage.name_of(spec.name), Payload=json.dumps({"schedule": EVERY_5_MINUTES.name})
            )
            if "FunctionError" in answer:
                errors[spec.name] = str(json.loads(answer["Payload"].read()).get("errorMessage", "unknown error"))
    return errors


def read_findings(stage: Stage, logs: Any, since: datetime) -> list[LogFindings]:
    """What each function's log group says since a moment, in the table's order."""
    return [findings_of(spec.name, _messages(stage, spec, logs, since)) for spec in FUNCTIONS]


def findings_of(function: str, messages: Iterable[str]) -> LogFindings:
    """One function's, from its log's messages in order; a failure is made good by a later end of the same request."""
    findings = LogFindings(function)
    open_failures: dict[str, list[str]] = {}
    for message in messages:
        line = _parsed(message)
        request = str(line.get("correlation_id") or line.get("function_request_id") or "")
        if line.get("level") in {"ERROR", "CRITICAL"}:
            open_failures.setdefault(request, []).append(str(line.get("error") or line.get("message")))
        elif line.get("message") in FINISHED:
            findings.finished += 1
            findings.recovered.update(open_failures.pop(request, []))
        elif not line and (word := next((word for word in PLATFORM if word in message), None)):
            findings.failures[word] += 1
    for errors in open_failures.values():
        findings.failures.update(errors)
    return findings


def wait_for_findings(stage: Stage, logs: Any, since: datetime, errors: dict[str, str]) -> list[LogFindings]:
    """Read the logs until every function has finished once, for at most `LOGS_S`.

    `errors` are those of invocations, by function: of one that failed before it could log anything, they are all there
    is.
    """
    deadline = time.monotonic() + LOGS_S
    while True:
        findings = read_findings(stage, logs, since)
        if all(finding.finished for finding in findings) or time.monotonic() >= deadline:
            break
        time.sleep(1)
    for finding in findings:
        if finding.function in errors and not finding.failures:
            finding.failures[errors[finding.function]] += 1
    return findings


def failure_lines(deployed: DeployedStage, since: datetime) -> list[str]:
    """Name the functions whose log tells of a failure, for whoever has to find out why the loop did not close."""
    try:
        findings = read_findings(deployed.stage, deployed.client("logs"), since)
    except (BotoCoreError, ClientError) as error:
        return [f"The functions' logs can't be read: {error}"]
    return [
        f"Function {finding.function} {finding.says} (log group {log_group(deployed.stage, finding.function)})"
        for finding in findings
        if finding.failures
    ]


def log_group(stage: Stage, function: str) -> str:
    """Where a function of a stage logs."""
    return f"/aws/lambda/{stage.name_of(function)}"


def _messages(stage: Stage, spec: FunctionSpec, logs: Any, since: datetime) -> list[str]:
    group = log_group(stage, spec.name)
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName=group, startTime=int(since.timestamp() * 1000)
    )
    events = [event for page in pages for event in page["events"]]
    return [event["message"] for event in sorted(events, key=lambda event: int(event["timestamp"]))]


def _parsed(message: str) -> dict[str, Any]:
    """A line of ours, which is a JSON object; nothing for Lambda's own."""
    if not message.lstrip().startswith("{"):
        return {}
    try:
        line = json.loads(message)
    except ValueError:  # a print of some library that only looks like one
        return {}
    return line if isinstance(line, dict) else {}


def _listed(errors: Counter[str]) -> str:
    return ", ".join(f"{name} ({times}x)" for name, times in errors.most_common())
