"""The meter: counts what AWS would bill for the real handlers that run under it.

The meter subscribes to botocore's own events on each client that the app makes. CPU time is the process's, less the
time of moto and of the meter itself; waiting is added from the assumptions.
"""

import gc
import io
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stdout
from math import ceil
from time import process_time
from typing import Any

from bench.billing.model import (
    EVENT_BYTES,
    GB,
    HOURS,
    VCPU_MB,
    Amounts,
    Assumptions,
    read_units,
    stored_bytes,
    write_units,
)
from bench.billing.template import StackTemplate
from tuneloop.app import utc_now
from tuneloop.observability import logger

METRIC = "metric "  # the prefix of a custom metric's name and dimensions among an invocation's amounts
SQS_CHUNK = 64 << 10  # SQS bills each 64 KiB of a message as a request
ID = "c0ffee00-0000-4000-8000-000000000000"
PLATFORM_LINES = (
    f"START RequestId: {ID} Version: $LATEST\n",
    f"END RequestId: {ID}\n",
    f"REPORT RequestId: {ID}\tDuration: 1012.34 ms\tBilled Duration: 1013 ms\tMemory Size: 1024 MB\t"
    "Max Memory Used: 130 MB\t\n",
)
PUT_PRICED = ("Put", "Copy", "List", "Create", "Upload", "Complete")  # beginnings of S3's actions at the price of a PUT
EVENT_SENDING = ("PutObject", "CopyObject", "CompleteMultipartUpload")  # S3's actions that send an event


class Meter:
    """Counts one invocation at a time; requests outside of an invocation are not counted."""

    def __init__(self, deployed: StackTemplate, assumed: Assumptions, make: Callable[..., Any]) -> None:
        self._deployed, self._assumed, self._make = deployed, assumed, make
        self._rows = make("dynamodb")  # the meter's own client, whose requests are not counted
        self._amounts: Amounts | None = None
        self._done = Amounts()
        self._other_s = 0.0  # CPU time of moto and of the meter
        self._send_began = 0.0
        self._extra_wait_s = 0.0
        self.function = ""  # the function of the invocation that is under way, or was the last

    def client(self, service: str, **options: Any) -> Any:
        """A boto3 client whose requests are counted."""
        client = self._make(service, **options)
        client.meta.events.register(f"before-parameter-build.{service}", self._before)
        client.meta.events.register_first(f"before-send.{service}", self._begin_send)
        client.meta.events.register_last(f"before-send.{service}", self._end_send)
        client.meta.events.register(f"after-call.{service}", self._after)
        return client

    def wait(self, seconds: float) -> None:
        """Add seconds of waiting for the provider to the invocation that is under way."""
        self._extra_wait_s += seconds

    def measure(self, run: Callable[[], object]) -> Amounts:
        """The amounts of all invocations inside `run`; a `measure` around this one doesn't count them."""
        outer, self._done = self._done, Amounts()
        try:
            run()
            return self._done
        finally:
            self._done = outer

    def invoke(self, function: str, run: Callable[[], Any]) -> Any:
        """Run an invocation, count it, and return its answer."""
        self.function = function
        gc.freeze()  # keeps the time of collecting the garbage of moto and the bench out of this invocation
        amounts = self._amounts = Amounts()
        self._other_s = self._extra_wait_s = 0.0
        log = io.StringIO()
        stream, logger.registered_handler.stream = logger.registered_handler.stream, log  # type: ignore[attr-defined]
        started = process_time()
        try:
            with redirect_stdout(log):
                answer = run()
            cpu_s = process_time() - started - self._other_s
        finally:
            logger.registered_handler.stream = stream  # type: ignore[attr-defined]
            self._amounts = None
            gc.unfreeze()
        self._done += self._tally(amounts, cpu_s, log.getvalue(), answer)
        return answer

    def _tally(self, amounts: Amounts, cpu_s: float, log: str, answer: Any) -> Amounts:
        waited_s = amounts.pop("waits", 0) * self._assumed.aws_wait_s + self._extra_wait_s
        lines = [*log.splitlines(keepends=True), *PLATFORM_LINES]
        amounts |= {
            "lambda_requests": 1,
            "lambda_gb_s": billed_gb_s(cpu_s, waited_s, self._deployed.memory_mb[self.function]),
            "log_gb": sum(len(line.encode()) + EVENT_BYTES for line in lines) / GB,
        }
        if isinstance(answer, Mapping) and "statusCode" in answer:
            amounts |= {"http_api_requests": 1, "answer_bytes": len(answer["body"].encode())}
        amounts |= dict.fromkeys(metric_names(log), 1.0)
        return amounts

    def _begin_send(self, **_: Any) -> None:
        self._send_began = process_time()

    def _end_send(self, **_: Any) -> None:
        self._other_s += process_time() - self._send_began

    def _before(self, params: dict[str, Any], model: Any, context: dict[str, Any], **_: Any) -> None:
        started = process_time()
        writes = list(_writes(model.name, params))
        context["bill"] = params, [(key, self._row(params, key)) for key in writes] if self._amounts is not None else []
        self._other_s += process_time() - started

    def _after(self, parsed: dict[str, Any], model: Any, context: dict[str, Any], **_: Any) -> None:
        if self._amounts is None:
            return
        started = process_time()
        params, before = context["bill"]
        self._amounts["waits"] += 1
        self._count(model.service_model.service_name, model.name, params, parsed, before)
        self._other_s += process_time() - started

    def _count(self, service: str, action: str, params: Any, parsed: Any, before: list[Any]) -> None:
        match service:
            case "dynamodb":
                self._count_rows(action, params, parsed, before)
            case "s3" if action.startswith(PUT_PRICED):
                self._add(s3_put_requests=1, s3_events=action in EVENT_SENDING, s3_bytes=_length(params.get("Body")))
            case "s3":
                self._add(s3_get_requests=1)
            case "sqs":
                self._add(sqs_requests=ceil(len(params["MessageBody"].encode()) / SQS_CHUNK))
            case "events":
                self._add(bus_events=len(params["Entries"]))
            case "ssm":
                self._add(kms_requests=1)  # the read itself costs nothing
            case _:
                raise ValueError(f"no way to bill {service}:{action}")

    def _count_rows(self, action: str, params: Any, parsed: Any, before: list[Any]) -> None:
        if not before:
            rows = parsed.get("Items", [parsed["Item"]] if "Item" in parsed else [])
            self._add(dynamodb_read_units=read_units(rows, consistent=params.get("ConsistentRead", False)))
            return
        factor = 2 if action == "TransactWriteItems" else 1
        for key, old in before:
            new, indexes = self._row(params, key), self._deployed.indexes
            self._add(dynamodb_write_units=factor * write_units(old, new, indexes))
            if old is None and new is not None:
                self._add(dynamodb_byte_months=stored_bytes(new, indexes) * self._kept_months(new))

    def _kept_months(self, row: Mapping[str, Any]) -> float:
        if "expires_at" not in row:
            return self._assumed.kept_months
        left_s = float(row["expires_at"]["N"]) - utc_now().timestamp()
        return min(left_s / 3600 / HOURS, self._assumed.kept_months)

    def _row(self, params: dict[str, Any], key: dict[str, Any]) -> dict[str, Any] | None:
        table = params.get("TableName") or next(iter(params["TransactItems"][0].values()))["TableName"]
        row: dict[str, Any] | None = self._rows.get_item(TableName=table, Key=key, ConsistentRead=True).get("Item")
        return row

    def _add(self, **amounts: float) -> None:
        assert self._amounts is not None  # noqa: S101 - called during an invocation only
        for name, amount in amounts.items():
            self._amounts[name] += amount


def billed_gb_s(cpu_s: float, waited_s: float, memory_mb: int) -> float:
    """The GB-seconds of work, at the memory's share of a vCPU, and of waiting, rounded up to the millisecond."""
    worked_s = cpu_s * max(1.0, VCPU_MB / memory_mb)
    return ceil((worked_s + waited_s) * 1000) / 1000 * memory_mb / 1024


def metric_names(log: str) -> set[str]:
    """The custom metrics in a log, in CloudWatch's embedded format; each name with its dimensions is billed as one."""
    rows = [json.loads(line) for line in log.splitlines() if line.startswith("{") and '"_aws"' in line]
    return {
        f"{METRIC}{metric['Name']} " + " ".join(f"{name}={row[name]}" for name in sorted(dimensions))
        for row in rows
        for block in row["_aws"]["CloudWatchMetrics"]
        for dimensions in block["Dimensions"]
        for metric in block["Metrics"]
    }


def _writes(action: str, params: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The keys of the rows that a request writes."""
    match action:
        case "PutItem":
            yield _key(params["Item"])
        case "UpdateItem" | "DeleteItem":
            yield params["Key"]
        case "TransactWriteItems":
            for item in params["TransactItems"]:
                [write] = item.values()
                yield _key(write["Item"]) if "Item" in write else write["Key"]


def _key(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("pk", "sk")}


def _length(body: Any) -> int:
    if body is None:
        return 0
    if isinstance(body, bytes | str):
        return len(body)
    place, length = body.tell(), body.seek(0, io.SEEK_END)
    body.seek(place)
    return int(length)
