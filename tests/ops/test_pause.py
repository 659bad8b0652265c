"""A stage is stopped by its own resources and in order, and start undoes that and nothing else."""

import io
import zipfile
from typing import Any

import boto3
import pytest

from infra.stage import Stage, stage_named
from ops import pause, stage_access
from ops.console import CommandRefused
from ops.pause import read_halted, running_parts, start_stage, stop_stage
from ops.stage_access import DeployedStage
from tests.ops.conftest import Standing, operate

pytestmark = pytest.mark.usefixtures("account")

NAMES = ("collect-examples", "record-usage", "launch-finetune")
ALL = {f"tuneloop-try-{name}" for name in NAMES}


class Breaking(Exception):
    """Somebody pulls the plug."""


class Stack(DeployedStage):
    """A stage of three functions in moto, two with readers; every change of them is noted, and may be the last."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self.changes: list[str] = []
        self.left = 100
        self.kinds: dict[str, list[str]] = {
            "AWS::Lambda::Function": [function(stage.name_of(name)) for name in NAMES],
            "AWS::Lambda::EventSourceMapping": [reader(stage.name_of(name)) for name in NAMES[:2]],
            "AWS::Events::Rule": ["tuneloop-try-check-status-every-5-minutes", "tuneloop-try|tuneloop-try-events"],
        }
        boto3.client("events").put_rule(Name=self.kinds["AWS::Events::Rule"][0], ScheduleExpression="rate(5 minutes)")
        pattern = '{"source": ["aws.s3"]}'
        boto3.client("events").put_rule(Name="tuneloop-try-collect-examples-drops", EventPattern=pattern)
        self.kinds["AWS::Events::Rule"].append("tuneloop-try-collect-examples-drops")

    def resources(self, kind: str) -> list[str]:
        return self.kinds[kind]

    def client(self, service: str) -> Any:
        client: Any = boto3.client(service)  # type: ignore[call-overload]
        for event in ("PutFunctionConcurrency", "DeleteFunctionConcurrency", "UpdateEventSourceMapping"):
            client.meta.events.register(f"before-call.lambda.{event}", self._note)
        for event in ("DisableRule", "EnableRule"):
            client.meta.events.register(f"before-call.events.{event}", self._note)
        return client

    def _note(self, model: Any, **_: Any) -> None:
        if not self.left:
            raise Breaking
        self.left -= 1
        self.changes.append(model.name)


def function(name: str, keep: str = "tuneloop") -> str:
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as packed:
        packed.writestr("handler.py", keep)
    made = boto3.client("iam").create_role(RoleName=f"role-{name}", AssumeRolePolicyDocument="{}")
    role = made["Role"]["Arn"]
    settings: Any = {"Runtime": "python3.11", "Handler": "handler.handler", "Role": role}
    boto3.client("lambda").create_function(FunctionName=name, Code={"ZipFile": code.getvalue()}, **settings)
    return name


def reader(name: str) -> str:
    sqs = boto3.client("sqs")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    return boto3.client("lambda").create_event_source_mapping(FunctionName=name, EventSourceArn=arn)["UUID"]


@pytest.fixture
def stack(stage: Stage) -> Stack:
    return Stack(stage)


def limit(name: str) -> int | None:
    return boto3.client("lambda").get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions")


def brake(name: str, most: int) -> None:
    boto3.client("lambda").put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=most)


def test_clocks_stop_first_then_readers_then_functions(stack: Stack) -> None:
    stop_stage(stack)

    assert pause.is_halted(running_parts(stack))
    assert stack.changes == ["DisableRule", *["UpdateEventSourceMapping"] * 2, *["PutFunctionConcurrency"] * 3]


def test_a_rule_on_events_stays_so_that_what_it_delivers_is_kept(stack: Stack) -> None:
    stop_stage(stack)

    assert boto3.client("events").describe_rule(Name="tuneloop-try-collect-examples-drops")["State"] == "ENABLED"


def test_what_was_stopped_goes_on_and_brakes_that_were_set_before_stay(stack: Stack) -> None:
    braked, limited, free = sorted(ALL)
    brake(braked, 0)
    brake(limited, 5)
    before = running_parts(stack)

    stop_stage(stack)
    assert {limit(name) for name in ALL} == {0}
    start_stage(stack)

    assert running_parts(stack) == before
    assert (limit(braked), limit(limited), limit(free)) == (0, 5, None)
    assert read_halted(stack) is None


def test_a_stage_with_a_longer_name_goes_on(stack: Stack) -> None:
    function("tuneloop-try-two-evaluate")
    boto3.client("events").put_rule(Name="tuneloop-try-two-evaluate-monthly", ScheduleExpression="rate(5 minutes)")

    stop_stage(stack)

    assert limit("tuneloop-try-two-evaluate") is None
    assert boto3.client("events").describe_rule(Name="tuneloop-try-two-evaluate-monthly")["State"] == "ENABLED"


@pytest.mark.parametrize("broken_after", range(6))
def test_a_stop_that_broke_off_goes_on_and_is_wholly_undone(stack: Stack, broken_after: int) -> None:
    before = running_parts(stack)
    stack.left = broken_after
    with pytest.raises(Breaking):
        stop_stage(stack)
    halfway = read_halted(stack)
    assert halfway
    assert halfway.since is None
    stack.left = 100

    stop_stage(stack)
    assert pause.is_halted(running_parts(stack))
    start_stage(stack)

    assert running_parts(stack) == before


@pytest.mark.parametrize("broken_after", range(6))
def test_a_start_that_broke_off_goes_on(stack: Stack, broken_after: int) -> None:
    before = running_parts(stack)
    stop_stage(stack)
    stack.left = broken_after
    with pytest.raises(Breaking):
        start_stage(stack)
    stack.left = 100

    start_stage(stack)

    assert running_parts(stack) == before


def test_both_may_be_said_twice(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    before = running_parts(stack)

    stop_stage(stack)
    since = read_halted(stack)
    stop_stage(stack)
    assert read_halted(stack) == since
    start_stage(stack)
    start_stage(stack)

    assert running_parts(stack) == before
    said = capsys.readouterr().out
    assert "has stood still since" in said
    assert "nothing to undo" in said


def test_what_a_deploy_made_while_the_stage_stood_still_is_stopped_too(stack: Stack) -> None:
    stop_stage(stack)
    stack.kinds["AWS::Lambda::Function"].append(function("tuneloop-try-evaluate"))

    stop_stage(stack)
    assert limit("tuneloop-try-evaluate") == 0
    start_stage(stack)

    assert limit("tuneloop-try-evaluate") is None


def test_what_is_gone_meanwhile_is_passed_over(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    stop_stage(stack)
    gone = stack.kinds["AWS::Lambda::EventSourceMapping"].pop()
    boto3.client("lambda").delete_event_source_mapping(UUID=gone)

    start_stage(stack)

    assert f"{gone} is gone" in capsys.readouterr().out
    assert read_halted(stack) is None


def test_a_reader_is_waited_for_until_it_is_off(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    states = iter([*["Enabled"] * 4, "Disabling", "Disabled", "Disabling", "Disabling"])
    monkeypatch.setattr(pause, "READER_POLL_S", 0)
    monkeypatch.setattr(pause, "_reader_state", lambda *_: next(states, "Disabled"))

    stop_stage(stack)

    assert next(states, None) is None
    assert stack.changes[-3:] == ["PutFunctionConcurrency"] * 3


def test_a_reader_that_stays_on_its_way_is_told_and_no_function_is_braked(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pause, "READER_SWITCH_TIMEOUT_S", 0)
    monkeypatch.setattr(pause, "_reader_state", lambda *_: "Disabling")

    with pytest.raises(CommandRefused, match="is Disabling, not Disabled"):
        stop_stage(stack)

    assert "PutFunctionConcurrency" not in stack.changes


def test_a_stage_that_is_not_deployed_is_told_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(stage_access, "DeployedStage", Standing)

    assert operate("stop", "--stage=try") == 1

    assert "make deploy STAGE=try" in capsys.readouterr().err
    assert read_halted(Standing(stage_named("try", {}))) is None


def test_anything_but_stop_and_start_does_nothing(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    assert operate("status", "--stage=try") == 2

    assert "No such command 'status'" in capsys.readouterr().err
    assert not stack.changes
