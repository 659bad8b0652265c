"""The check of the functions' logs: each function was invoked, finished, and left no failure that no retry mended."""

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

# CloudWatch shows a line some seconds after it was written; a function that has no line by then was not invoked.
LOGS_TIMEOUT_S = 90
LOGS_POLL_S = 1
# The messages with which a function's entry point ends an HTTP call and any other invocation.
FINISHED = {"answered", "done"}
# Words of Lambda's own lines where a function ended before it could log anything.
PLATFORM_ERRORS = ("Task timed out", "Runtime.", "AccessDenied", "not authorized to perform")


@dataclass
class LogFindings:
    """One function's log since some moment: how often it finished, what failed, and which failures a retry mended."""

    function: str
    finished: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    recovered: Counter[str] = field(default_factory=Counter)

    @property
    def is_good(self) -> bool:
        """Whether it did its work at least once, and left none undone."""
        return self.finished > 0 and not self.failures

    @property
    def summary(self) -> str:
        """The outcome of the function's invocations in a few words."""
        if self.failures:
            return "failed: " + _counts_text(self.failures)
        if not self.finished:
            return "was never woken, or never finished"
        return "ok" + (f", after {_counts_text(self.recovered)} that a second try made good" if self.recovered else "")


def invoke_scheduled(stage: Stage, lambdas: Any) -> dict[str, str]:
    """Invoke the functions of the five-minute schedule, and return the errors of those that failed, by function.

    The monthly schedule is never fired: on a stage in use it would train for every tenant who has changed data, at the
    tenant's expense.
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
    """The findings of each function's log since a moment, in the order of the table of functions."""
    return [findings_of(spec.name, _messages(stage, spec, logs, since)) for spec in FUNCTIONS]


def findings_of(function: str, messages: Iterable[str]) -> LogFindings:
    """One function's findings, from its log's messages in order.

    A failure is mended if the same request finished later, as a retry has its request's id.
    """
    findings = LogFindings(function)
    open_failures: dict[str, list[str]] = {}
    for message in messages:
        line = _json_line(message)
        request = str(line.get("correlation_id") or line.get("function_request_id") or "")
        if line.get("level") in {"ERROR", "CRITICAL"}:
            open_failures.setdefault(request, []).append(str(line.get("error") or line.get("message")))
        elif line.get("message") in FINISHED:
            findings.finished += 1
            findings.recovered.update(open_failures.pop(request, []))
        elif not line and (word := next((word for word in PLATFORM_ERRORS if word in message), None)):
            findings.failures[word] += 1
    for errors in open_failures.values():
        findings.failures.update(errors)
    return findings


def wait_for_findings(stage: Stage, logs: Any, since: datetime, errors: dict[str, str]) -> list[LogFindings]:
    """Read the logs until every function has finished once, for at most `LOGS_TIMEOUT_S`.

    `errors` are the errors that invocations returned, by function: all there is of one that ended before it logged.
    """
    deadline = time.monotonic() + LOGS_TIMEOUT_S
    while True:
        findings = read_findings(stage, logs, since)
        if all(finding.finished for finding in findings) or time.monotonic() >= deadline:
            break
        time.sleep(LOGS_POLL_S)
    for finding in findings:
        if finding.function in errors and not finding.failures:
            finding.failures[errors[finding.function]] += 1
    return findings


def failure_lines(deployed: DeployedStage, since: datetime) -> list[str]:
    """A line for each function whose log has a failure, for whoever has to find out why the loop did not close."""
    try:
        findings = read_findings(deployed.stage, deployed.client("logs"), since)
    except (BotoCoreError, ClientError) as error:
        return [f"The functions' logs can't be read: {error}"]
    return [
        f"Function {finding.function} {finding.summary} (log group {log_group(deployed.stage, finding.function)})"
        for finding in findings
        if finding.failures
    ]


def log_group(stage: Stage, function: str) -> str:
    """The name of the log group of a stage's function."""
    return f"/aws/lambda/{stage.name_of(function)}"


def _messages(stage: Stage, spec: FunctionSpec, logs: Any, since: datetime) -> list[str]:
    group = log_group(stage, spec.name)
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName=group, startTime=int(since.timestamp() * 1000)
    )
    events = [event for page in pages for event in page["events"]]
    return [event["message"] for event in sorted(events, key=lambda event: int(event["timestamp"]))]


def _json_line(message: str) -> dict[str, Any]:
    """The JSON object that each line of our own is; {} for Lambda's lines and a library's prints."""
    if not message.lstrip().startswith("{"):
        return {}
    try:
        line = json.loads(message)
    except ValueError:
        return {}
    return line if isinstance(line, dict) else {}


def _counts_text(errors: Counter[str]) -> str:
    return ", ".join(f"{name} ({times}x)" for name, times in errors.most_common())
