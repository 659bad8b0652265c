"""Whether every function could do its work, as its own log tells it: woken, finished, and nothing failed for good."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from infra.functions import FUNCTIONS, FunctionSpec
from infra.schedules import EVERY_5_MINUTES
from infra.stage import Stage

FINISHED = {"answered", "done"}
# What Lambda and AWS themselves say where a function never came to log anything of its own.
PLATFORM = ("Task timed out", "Runtime.", "AccessDenied", "not authorized to perform")


@dataclass
class Testimony:
    """What one function's log says since a moment: how often it finished, and what failed and was not made good."""

    function: str
    finished: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    mended: Counter[str] = field(default_factory=Counter)

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
        return "ok" + (f", after {_listed(self.mended)} that a second try made good" if self.mended else "")


def wake(stage: Stage, lambdas: Any) -> dict[str, str]:
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


def testimonies(stage: Stage, logs: Any, since: datetime) -> list[Testimony]:
    """What each function's log group says since a moment, in the table's order."""
    return [testimony(spec.name, _messages(stage, spec, logs, since)) for spec in FUNCTIONS]


def testimony(function: str, messages: Iterable[str]) -> Testimony:
    """One function's, from its log's messages in order; a failure is made good by a later end of the same request."""
    found = Testimony(function)
    open_failures: dict[str, list[str]] = {}
    for message in messages:
        line = _parsed(message)
        request = str(line.get("correlation_id") or line.get("function_request_id") or "")
        if line.get("level") in {"ERROR", "CRITICAL"}:
            open_failures.setdefault(request, []).append(str(line.get("error") or line.get("message")))
        elif line.get("message") in FINISHED:
            found.finished += 1
            found.mended.update(open_failures.pop(request, []))
        elif not line and (word := next((word for word in PLATFORM if word in message), None)):
            found.failures[word] += 1
    for errors in open_failures.values():
        found.failures.update(errors)
    return found


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
