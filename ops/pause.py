"""`make stop STAGE=prod` and `make start STAGE=prod`: nothing of a stage runs, and what stop halted goes on.

Clocks first, so that nothing new begins; then the readers of queues and stream, so that no message is tried in vain;
then the functions, which ends the API too. What stop is about to change is written down before it is changed, and start
undoes that and nothing else: a brake that somebody had set on purpose stays. Both can be broken off and begun again.
Rules on events stay on: what they deliver Lambda keeps for an hour, then it is a dead letter, so none is lost.
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

SETTLES_WITHIN_S = 300  # AWS takes up to a minute or two to enable or disable a reader
POLL_S = 1.0
LONGEST_S = max(spec.timeout_s for spec in FUNCTIONS)  # what runs when the brake is set goes on to its end


class Halted(BaseModel):
    """What stop halted: rules, readers by UUID, functions with their limits; `since` when all stood still."""

    rules: set[str] = set()
    readers: set[str] = set()
    functions: dict[str, int | None] = {}
    since: datetime | None = None

    def merge(self, more: "Halted") -> "Halted":
        """Return both together; of a function that is in both, the limit that it had first."""
        functions = {**more.functions, **self.functions}
        return Halted(rules=self.rules | more.rules, readers=self.readers | more.readers, functions=functions)


def stop_stage(deployed: DeployedStage) -> None:
    """Halt all that runs of a stage; what stands still already is left as it is."""
    going, before = running_parts(deployed), read_halted(deployed)
    if is_halted(going) and before and before.since:
        say(f"Stage {deployed.stage.name} stands still since {before.since:%Y-%m-%d %H:%M} UTC.")
        return
    halted = before.merge(going) if before else going
    _write(deployed, halted)
    for rule in sorted(going.rules):
        deployed.client("events").disable_rule(Name=rule)
    _switch(deployed, going.readers, on=False)
    for function in sorted(going.functions):
        brake = {"FunctionName": function, "ReservedConcurrentExecutions": 0}
        deployed.client("lambda").put_function_concurrency(**brake)
    _write(deployed, halted.model_copy(update={"since": datetime.now(UTC)}))
    say(f"Stage {deployed.stage.name} is stopped: {_describe(halted)}. Its API answers 503.")
    say(f"What was running goes on to its end, for at most {LONGEST_S // 60} minutes.")
    say(f"  make start STAGE={deployed.stage.name}")


def start_stage(deployed: DeployedStage) -> None:
    """Undo what stop did, in the opposite order; what is gone meanwhile is passed over."""
    halted = read_halted(deployed)
    if halted is None:
        say(f"Stage {deployed.stage.name} was not stopped by make stop: nothing to undo.")
        return
    lambdas = deployed.client("lambda")
    for function, limit in sorted(halted.functions.items()):
        with _unless_gone(function):
            if limit is None:
                lambdas.delete_function_concurrency(FunctionName=function)
            else:
                lambdas.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=limit)
    _switch(deployed, halted.readers, on=True)
    for rule in sorted(halted.rules):
        with _unless_gone(rule):
            deployed.client("events").enable_rule(Name=rule)
    forget_halted(deployed)
    say(f"Stage {deployed.stage.name} goes on: {_describe(halted)}.")


def running_parts(deployed: DeployedStage) -> Halted:
    """Return what of the stack is on at this moment: schedules, readers, and functions that may run."""
    owned = {name.rpartition("|")[2] for name in deployed.resources("AWS::Events::Rule")}
    pages = deployed.client("events").get_paginator("list_rules").paginate(NamePrefix=deployed.stage.name_of(""))
    rules = [rule for page in pages for rule in page["Rules"] if rule["Name"] in owned]
    readers = deployed.resources("AWS::Lambda::EventSourceMapping")
    limits = {name: _limit(deployed, name) for name in deployed.resources("AWS::Lambda::Function")}
    return Halted(
        rules={rule["Name"] for rule in rules if rule.get("ScheduleExpression") and rule["State"] == "ENABLED"},
        readers={reader for reader in readers if _state(deployed, reader) != "Disabled"},
        functions={name: limit for name, limit in limits.items() if limit != 0},
    )


def is_halted(going: Halted) -> bool:
    """Say whether nothing is on."""
    return not (going.rules or going.readers or going.functions)


def read_halted(deployed: DeployedStage) -> Halted | None:
    """Return what stop wrote down; None where the stage was not stopped."""
    ssm = deployed.client("ssm")
    try:
        return Halted.model_validate_json(ssm.get_parameter(Name=halted_parameter(deployed))["Parameter"]["Value"])
    except ssm.exceptions.ParameterNotFound:
        return None


def forget_halted(deployed: DeployedStage) -> None:
    """Remove what stop wrote down, if it did."""
    # Unlike its singular, no error where the parameter is gone.
    deployed.client("ssm").delete_parameters(Names=[halted_parameter(deployed)])


def halted_parameter(deployed: DeployedStage) -> str:
    """Return the name of the parameter in which stop writes down what it halts."""
    return f"/tuneloop/{deployed.stage.name}/stopped"


def _write(deployed: DeployedStage, halted: Halted) -> None:
    text = halted.model_dump_json()
    deployed.client("ssm").put_parameter(Name=halted_parameter(deployed), Value=text, Type="String", Overwrite=True)


def _switch(deployed: DeployedStage, readers: set[str], *, on: bool) -> None:
    wanted = "Enabled" if on else "Disabled"
    for reader in sorted(readers):
        with _unless_gone(reader):
            if _settled_state(deployed, reader) != wanted:
                deployed.client("lambda").update_event_source_mapping(UUID=reader, Enabled=on)
    for reader in sorted(readers):
        with _unless_gone(reader):
            if (state := _settled_state(deployed, reader)) != wanted:
                raise CommandRefused(f"Reader {reader} is {state}, not {wanted}. Run it again.")


def _settled_state(deployed: DeployedStage, reader: str) -> str:
    """The state of a reader once it is neither on its way on nor off; AWS refuses to change it before."""
    deadline = time.monotonic() + SETTLES_WITHIN_S
    while (state := _state(deployed, reader)) not in {"Enabled", "Disabled"} and time.monotonic() < deadline:
        time.sleep(POLL_S)
    return state


def _state(deployed: DeployedStage, reader: str) -> str:
    return str(deployed.client("lambda").get_event_source_mapping(UUID=reader)["State"])


def _limit(deployed: DeployedStage, function: str) -> int | None:
    answer: dict[str, Any] = deployed.client("lambda").get_function_concurrency(FunctionName=function)
    return answer.get("ReservedConcurrentExecutions")


def _describe(halted: Halted) -> str:
    return f"{len(halted.rules)} schedules, {len(halted.readers)} readers, {len(halted.functions)} functions"


@contextmanager
def _unless_gone(name: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        say(f"{name} is gone: a deploy has replaced it.")
