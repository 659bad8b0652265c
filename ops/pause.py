"""`make stop STAGE=prod` and `make start STAGE=prod`: nothing of a stage runs, and what stop halted goes on.

Clocks first, so that nothing new begins; then the readers of queues and stream, so that no message is tried in vain;
then the functions, which ends the API too. What stop is about to change is written down before it is changed, and start
undoes that and nothing else: a brake that somebody had set on purpose stays. Both can be broken off and begun again.
Rules on events stay on: what they deliver Lambda keeps for an hour, then it is a dead letter, so none is lost.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError
from pydantic import BaseModel

from infra.functions import FUNCTIONS
from ops.console import CommandRefused, say, spoken
from ops.deploy import stage_on_aws
from ops.stage_access import Deployed

SETTLES_WITHIN_S = 300  # AWS takes up to a minute or two to enable or disable a reader
POLL_S = 1.0
LONGEST_S = max(spec.timeout_s for spec in FUNCTIONS)  # what runs when the brake is set goes on to its end


class Halted(BaseModel):
    """What stop halted: rules, readers by UUID, functions with the limit that each had; `since` when all stood."""

    rules: set[str] = set()
    readers: set[str] = set()
    functions: dict[str, int | None] = {}
    since: datetime | None = None

    def and_also(self, more: "Halted") -> "Halted":
        """Both; of a function that is in both, the limit that it had first."""
        functions = {**more.functions, **self.functions}
        return Halted(rules=self.rules | more.rules, readers=self.readers | more.readers, functions=functions)


def main() -> None:
    """Stop a stage, or let it go on."""
    parser = argparse.ArgumentParser(prog="python -m ops.pause", description="Stop a stage, or let it go on.")
    parser.add_argument("what", choices=("stop", "start"))
    parser.add_argument("--stage", required=True)
    arguments = parser.parse_args()
    deployed = Deployed(stage_on_aws(arguments.stage))
    deployed.output("TableName")  # says what to do where there is no such stage
    {"stop": stop, "start": start}[arguments.what](deployed)


def stop(deployed: Deployed) -> None:
    """Halt all that runs of a stage; what stands still already is left as it is."""
    going, before = running(deployed), read(deployed)
    if is_still(going) and before and before.since:
        say(f"Stage {deployed.stage.name} stands still since {before.since:%Y-%m-%d %H:%M} UTC.")
        return
    halted = before.and_also(going) if before else going
    _write(deployed, halted)
    for rule in sorted(going.rules):
        deployed.client("events").disable_rule(Name=rule)
    _switch(deployed, going.readers, on=False)
    for function in sorted(going.functions):
        brake = {"FunctionName": function, "ReservedConcurrentExecutions": 0}
        deployed.client("lambda").put_function_concurrency(**brake)
    _write(deployed, halted.model_copy(update={"since": datetime.now(UTC)}))
    say(f"Stage {deployed.stage.name} is stopped: {_counted(halted)}. Its API answers 503.")
    say(f"What was running goes on to its end, for at most {LONGEST_S // 60} minutes.")
    say(f"  make start STAGE={deployed.stage.name}")


def start(deployed: Deployed) -> None:
    """Undo what stop did, in the opposite order; what is gone meanwhile is passed over."""
    halted = read(deployed)
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
    forget(deployed)
    say(f"Stage {deployed.stage.name} goes on: {_counted(halted)}.")


def running(deployed: Deployed) -> Halted:
    """What of the stack is on at this moment."""
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


def is_still(going: Halted) -> bool:
    """Whether nothing is on."""
    return not (going.rules or going.readers or going.functions)


def read(deployed: Deployed) -> Halted | None:
    """What stop wrote down; None where the stage was not stopped."""
    ssm = deployed.client("ssm")
    try:
        return Halted.model_validate_json(ssm.get_parameter(Name=parameter(deployed))["Parameter"]["Value"])
    except ssm.exceptions.ParameterNotFound:
        return None


def forget(deployed: Deployed) -> None:
    """Remove what stop wrote down, if it did."""
    deployed.client("ssm").delete_parameters(Names=[parameter(deployed)])  # unlike its singular no error if it is gone


def parameter(deployed: Deployed) -> str:
    """Where stop writes down what it halts."""
    return f"/tuneloop/{deployed.stage.name}/stopped"


def _write(deployed: Deployed, halted: Halted) -> None:
    text = halted.model_dump_json()
    deployed.client("ssm").put_parameter(Name=parameter(deployed), Value=text, Type="String", Overwrite=True)


def _switch(deployed: Deployed, readers: set[str], *, on: bool) -> None:
    wanted = "Enabled" if on else "Disabled"
    for reader in sorted(readers):
        with _unless_gone(reader):
            if _settled(deployed, reader) != wanted:
                deployed.client("lambda").update_event_source_mapping(UUID=reader, Enabled=on)
    for reader in sorted(readers):
        with _unless_gone(reader):
            if (state := _settled(deployed, reader)) != wanted:
                raise CommandRefused(f"Reader {reader} is {state}, not {wanted}. Run it again.")


def _settled(deployed: Deployed, reader: str) -> str:
    """The state of a reader once it is neither on its way on nor off; AWS refuses to change it before."""
    deadline = time.monotonic() + SETTLES_WITHIN_S
    while (state := _state(deployed, reader)) not in {"Enabled", "Disabled"} and time.monotonic() < deadline:
        time.sleep(POLL_S)
    return state


def _state(deployed: Deployed, reader: str) -> str:
    return str(deployed.client("lambda").get_event_source_mapping(UUID=reader)["State"])


def _limit(deployed: Deployed, function: str) -> int | None:
    found: dict[str, Any] = deployed.client("lambda").get_function_concurrency(FunctionName=function)
    return found.get("ReservedConcurrentExecutions")


def _counted(halted: Halted) -> str:
    return f"{len(halted.rules)} schedules, {len(halted.readers)} readers, {len(halted.functions)} functions"


@contextmanager
def _unless_gone(name: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        say(f"{name} is gone: a deploy has replaced it.")


if __name__ == "__main__":
    sys.exit(spoken(main))
