"""The commands that halt a stage and let it go on: `make stop STAGE=prod`, `make start STAGE=prod`.

Stop disables the schedules first, so that nothing new begins; then what reads the queues and the table's stream, so
that no message uses up its tries; then the functions, which ends the API too. It writes down what it is about to halt
before it halts it, and start undoes that and nothing else: a limit of zero that somebody had set on purpose stays. Both
can be interrupted and run again. Rules on events stay on: Lambda keeps their events for an hour and then puts them into
the dead-letter queue, so that none is lost.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError
from pydantic import BaseModel

from infra.functions import FUNCTIONS
from ops.console import CommandRefused, say
from ops.stage_access import DeployedStage

# AWS takes up to a minute or two to enable or disable an event source mapping; until then it refuses another change.
READER_SWITCH_TIMEOUT_S = 300
READER_POLL_S = 1.0
# An invocation that is running when its function is halted goes on to its end, so for at most the longest time-out.
LONGEST_INVOCATION_S = max(spec.timeout_s for spec in FUNCTIONS)


class StageParts(BaseModel):
    """The parts of a stage that run, or that stop halted: the rules of schedules, readers, functions with their limits.

    A reader is an event source mapping, by its UUID. A limit is a function's reserved concurrency, None where it had
    none. `since` is when all of them stood still.
    """

    rules: set[str] = set()
    readers: set[str] = set()
    functions: dict[str, int | None] = {}
    since: datetime | None = None

    def merge(self, more: "StageParts") -> "StageParts":
        """Both together; a function that is in both keeps this one's limit, which is the older one."""
        functions = {**more.functions, **self.functions}
        return StageParts(rules=self.rules | more.rules, readers=self.readers | more.readers, functions=functions)


def stop_stage(deployed: DeployedStage) -> None:
    """Halt every part of a stage that runs, and write down which; parts that stand still stay as they are."""
    running, earlier = running_parts(deployed), read_halted(deployed)
    if is_halted(running) and earlier and earlier.since:
        say(f"Stage {deployed.stage.name} has stood still since {earlier.since:%Y-%m-%d %H:%M} UTC.")
        return
    halted = earlier.merge(running) if earlier else running
    _store_halted(deployed, halted)
    for rule in sorted(running.rules):
        deployed.client("events").disable_rule(Name=rule)
    _switch_readers(deployed, running.readers, on=False)
    for function in sorted(running.functions):
        limit = {"FunctionName": function, "ReservedConcurrentExecutions": 0}
        deployed.client("lambda").put_function_concurrency(**limit)
    _store_halted(deployed, halted.model_copy(update={"since": datetime.now(UTC)}))
    say(f"Stage {deployed.stage.name} is stopped: {_describe(halted)}. Its API answers 503.")
    say(f"What was running goes on to its end, for at most {LONGEST_INVOCATION_S // 60} minutes.")
    say(f"  make start STAGE={deployed.stage.name}")


def start_stage(deployed: DeployedStage) -> None:
    """Undo what stop did, in the opposite order; parts that a deploy has replaced since are skipped."""
    halted = read_halted(deployed)
    if halted is None:
        say(f"Stage {deployed.stage.name} was not stopped by make stop: nothing to undo.")
        return
    lambdas = deployed.client("lambda")
    for function, limit in sorted(halted.functions.items()):
        with _skip_if_gone(function):
            if limit is None:
                lambdas.delete_function_concurrency(FunctionName=function)
            else:
                lambdas.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=limit)
    _switch_readers(deployed, halted.readers, on=True)
    for rule in sorted(halted.rules):
        with _skip_if_gone(rule):
            deployed.client("events").enable_rule(Name=rule)
    forget_halted(deployed)
    say(f"Stage {deployed.stage.name} goes on: {_describe(halted)}.")


def running_parts(deployed: DeployedStage) -> StageParts:
    """The parts of the stack that are on at this moment: schedules, readers, and functions that may run."""
    # The physical id of a rule on a bus of its own is `bus|rule`.
    owned = {name.rpartition("|")[2] for name in deployed.resources("AWS::Events::Rule")}
    pages = deployed.client("events").get_paginator("list_rules").paginate(NamePrefix=deployed.stage.name_of(""))
    rules = [rule for page in pages for rule in page["Rules"] if rule["Name"] in owned]
    readers = deployed.resources("AWS::Lambda::EventSourceMapping")
    limits = {name: _limit(deployed, name) for name in deployed.resources("AWS::Lambda::Function")}
    return StageParts(
        rules={rule["Name"] for rule in rules if rule.get("ScheduleExpression") and rule["State"] == "ENABLED"},
        readers={reader for reader in readers if _reader_state(deployed, reader) != "Disabled"},
        functions={name: limit for name, limit in limits.items() if limit != 0},
    )


def is_halted(running: StageParts) -> bool:
    """Whether nothing of a stage is on."""
    return not (running.rules or running.readers or running.functions)


def read_halted(deployed: DeployedStage) -> StageParts | None:
    """The parts that stop halted; None where the stage was not stopped."""
    ssm = deployed.client("ssm")
    try:
        parameter = ssm.get_parameter(Name=halted_parameter(deployed))["Parameter"]
    except ssm.exceptions.ParameterNotFound:
        return None
    return StageParts.model_validate_json(parameter["Value"])


def forget_halted(deployed: DeployedStage) -> None:
    """Remove what stop wrote down, if anything."""
    # `delete_parameter` raises where the parameter is gone; the plural does not.
    deployed.client("ssm").delete_parameters(Names=[halted_parameter(deployed)])


def halted_parameter(deployed: DeployedStage) -> str:
    """The name of the SSM parameter in which stop writes down what it halts."""
    return f"/tuneloop/{deployed.stage.name}/stopped"


def _store_halted(deployed: DeployedStage, halted: StageParts) -> None:
    text = halted.model_dump_json()
    deployed.client("ssm").put_parameter(Name=halted_parameter(deployed), Value=text, Type="String", Overwrite=True)


def _switch_readers(deployed: DeployedStage, readers: set[str], *, on: bool) -> None:
    """Enable or disable readers, all at once, then wait for each; CommandRefused for one that does not follow."""
    target = "Enabled" if on else "Disabled"
    for reader in sorted(readers):
        with _skip_if_gone(reader):
            if _final_state(deployed, reader) != target:
                deployed.client("lambda").update_event_source_mapping(UUID=reader, Enabled=on)
    for reader in sorted(readers):
        with _skip_if_gone(reader):
            if (state := _final_state(deployed, reader)) != target:
                raise CommandRefused(f"Reader {reader} is {state}, not {target}. Run it again.")


def _final_state(deployed: DeployedStage, reader: str) -> str:
    """The state of a reader once no change of it is under way; the last one seen after `READER_SWITCH_TIMEOUT_S`."""
    deadline = time.monotonic() + READER_SWITCH_TIMEOUT_S
    while (state := _reader_state(deployed, reader)) not in {"Enabled", "Disabled"} and time.monotonic() < deadline:
        time.sleep(READER_POLL_S)
    return state


def _reader_state(deployed: DeployedStage, reader: str) -> str:
    return str(deployed.client("lambda").get_event_source_mapping(UUID=reader)["State"])


def _limit(deployed: DeployedStage, function: str) -> int | None:
    answer: dict[str, Any] = deployed.client("lambda").get_function_concurrency(FunctionName=function)
    return answer.get("ReservedConcurrentExecutions")


def _describe(halted: StageParts) -> str:
    return f"{len(halted.rules)} schedules, {len(halted.readers)} readers, {len(halted.functions)} functions"


@contextmanager
def _skip_if_gone(name: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        say(f"{name} is gone: a deploy has replaced it.")
