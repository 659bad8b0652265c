"""Where content and keys must not be, read out: logs, events, refusals, messages, dead letters, alarms, metrics.

Not looked through is the emulator's own log, which prints whatever AWS is asked, and in dead letters the broken events
that the planting has made up.
"""

import json
import re
from hashlib import sha256
from typing import Any

import boto3

from infra.functions import FUNCTIONS
from infra.stage import LOCAL
from local.ministack import REGION
from local.stack import LocalStack
from tests.bus_listener import taken_from
from tests.e2e.canaries import DATASET, Canary, Json

SIGNED = re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|AWS4-HMAC-SHA256|[Ss]ecurity-?[Tt]oken")
Found = list[tuple[str, str]]


def found_in(canary: Canary, places: dict[str, str]) -> Found:
    """Where the sentence, a key or anything that somebody signed with stands, with what stands around it."""
    secrets = [re.compile(re.escape(secret)) for secret in (canary.token, *canary.secret)]
    return [
        (place, content[max(0, at.start() - 100) : at.end() + 100])
        for place, content in places.items()
        for secret in (*secrets, SIGNED)
        for at in secret.finditer(content)
    ]


def places(canary: Canary, heard: list[str]) -> dict[str, str]:
    """All that is looked through, by what it is."""
    stack = canary.stack
    return {
        "refusals": "\n".join(canary.refusals),
        "bus": "\n".join(heard),
        "logs": logs(stack),
        "events": json.dumps(event_rows(stack)),
        "alarms and metrics": alarms_and_metrics(stack),
        "messages": "\n".join(canary.messages),
        "dead letters": "\n".join(dead_letters(stack, canary)),
        "problems and errors": problems_and_errors(canary),
    }


def credentials_of_functions(stack: LocalStack) -> list[str]:
    """The secrets that every function signs with, as MiniStack derives them; that they are true is asked of STS."""
    found = []
    for spec in FUNCTIONS:
        told = stack.client("lambda").get_function_configuration(FunctionName=LOCAL.name_of(spec.name))
        digest = sha256(f"{told['FunctionArn']}:{told['Role']}".encode()).hexdigest()
        key, secret, token = (
            f"ASIA{digest[:16].upper()}",
            sha256(f"secret:{digest}".encode()).hexdigest(),
            sha256(f"token:{digest}".encode()).hexdigest(),
        )
        keys = {"aws_access_key_id": key, "aws_secret_access_key": secret, "aws_session_token": token}
        sts: Any = boto3.client("sts", endpoint_url=stack.aws.url, region_name=REGION, **keys)  # type: ignore[call-overload]
        role = told["Role"].rpartition("/")[2]
        assert role in sts.get_caller_identity()["Arn"]
        found += [key, secret, token]
    return found


def logs(stack: LocalStack) -> str:
    """Every line of every log group, metrics in them included, and what front door and provider wrote."""
    client = stack.client("logs")
    groups = (group for page in client.get_paginator("describe_log_groups").paginate() for group in page["logGroups"])
    read = client.get_paginator("filter_log_events").paginate
    pages = (page for group in groups for page in read(logGroupName=group["logGroupName"]))
    lines = [event["message"] for page in pages for event in page["events"]]
    files = [file for file in (stack.directory / "logs").glob("*.log") if file.stem != "ministack"]
    return "\n".join([*lines, *(file.read_text("utf-8") for file in files)])


def event_rows(stack: LocalStack) -> list[Json]:
    pages = stack.client("dynamodb").get_paginator("scan").paginate(TableName=stack.outputs["TableName"])
    return [row for page in pages for row in page["Items"] if "event_type" in row]


def alarms_and_metrics(stack: LocalStack) -> str:
    client = stack.client("cloudwatch")
    told = [client.describe_alarms(), client.describe_alarm_history(), client.list_metrics()]
    return json.dumps(told, default=str)


def dead_letters(stack: LocalStack, canary: Canary) -> list[str]:
    """What is kept of what failed, but for what it failed on: broken events are this test's own."""
    sqs, kept = stack.client("sqs"), []
    for queue in ("failures", "examples-dead", "usage-dead"):
        for body in taken_from(stack, sqs.get_queue_url(QueueName=LOCAL.name_of(queue))["QueueUrl"]):
            letter = json.loads(body)
            if letter.get("requestPayload") in canary.broken:
                del letter["requestPayload"]
            kept.append(json.dumps(letter))
    return kept


def problems_and_errors(canary: Canary) -> str:
    """What users read of what went wrong: problems of drops, errors of runs, verdicts of evaluations."""
    drops = canary.send("GET", f"/datasets/{DATASET}/drops", params={"limit": 100})["data"]
    problems = [problem for drop in drops for problem in drop["problems"]]
    assert len(problems) > 12
    errors = [(run["error"], run["waiting_for"]) for run in canary.send("GET", "/training-runs")["data"]]
    verdicts = [(each["verdict"], each["error"]) for each in canary.send("GET", "/evaluations")["data"]]
    return json.dumps([problems, errors, verdicts])
