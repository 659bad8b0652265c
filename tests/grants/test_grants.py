"""Least privilege, proved: with all of its grants the loop closes, and without any one of them somebody notices.

What a role allows is read from the deployed stack, so that a grant which no scene needs is found by itself. Not part of
`make test`: `make test-grants` runs it.
"""

import importlib
import json
import time
from contextlib import ExitStack
from typing import Any

import pytest

from infra.functions import FUNCTIONS, FunctionSpec
from infra.stage import LOCAL
from local.stack import ROOT, LocalStack
from tests.grants.conftest import NOBODY, Finding, go_round
from tests.grants.roles import Role
from tests.grants.scene import SCENES, triggers_of
from tests.grants.stage import Stage

pytestmark = pytest.mark.grants

for spec in FUNCTIONS:
    importlib.import_module(f"tests.grants.scenes.{spec.package}")

KEPT_WITHIN_S = 30
LONGEST_REASON = 44


def test_every_way_to_wake_a_function_has_its_scene() -> None:
    played = {spec.name: {scene.trigger for scene in SCENES if scene.function == spec.name} for spec in FUNCTIONS}

    assert played == {spec.name: triggers_of(spec) for spec in FUNCTIONS}


def test_lambda_s_own_machinery_asks_for_no_rights_here(stack: LocalStack, run: dict[str, Any]) -> None:
    """If this fails, MiniStack has learnt to ask: then these grants can be proved like the others."""
    failed = json.loads((ROOT / "events" / "launch_finetune.ExportCreated.json").read_text("utf-8"))
    name = LOCAL.name_of("launch-finetune")

    with ExitStack() as without:
        for spec in FUNCTIONS:
            role = Role(stack, spec.name)
            without.enter_context(role.without(*(grant for grant in role.grants if grant.user)))
        again = go_round(stack, "bare")
        stack.client("lambda").invoke(FunctionName=name, InvocationType="Event", Payload=json.dumps(failed))

        assert again["version"] == run["version"]
        assert "answered" in stack.function_log("complete-chat")
        assert kept(stack)


def kept(stack: LocalStack) -> bool:
    """Whether what failed for good comes to be kept."""
    url, deadline = stack.outputs["FailuresQueueUrl"], time.monotonic() + KEPT_WITHIN_S
    while not stack.client("sqs").receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages"):
        if time.monotonic() > deadline:
            return False
    return True


@pytest.mark.parametrize("spec", FUNCTIONS, ids=lambda spec: spec.name)
def test_somebody_notices_when_a_grant_is_gone(spec: FunctionSpec, stage: Stage, findings: list[Finding]) -> None:
    assert (noticed := who_notices(stage, spec)) == "", f"with all grants in place: {noticed}"
    role = Role(stage.stack, spec.name)

    for grant in role.grants:
        if grant.user:
            findings.append(Finding(spec.name, grant, f"({grant.user.part}, as AWS documents)"))
            continue
        with role.without(grant):
            findings.append(Finding(spec.name, grant, who_notices(stage, spec) or NOBODY))

    unused = [found.grant for found in findings if found.function == spec.name and found.noticed_by == NOBODY]
    assert not unused, f"no scene of {spec.name} needs these; is a scene missing, or a grant too many? {unused}"


def who_notices(stage: Stage, spec: FunctionSpec) -> str:
    """The first scene of a function in which a user notices that something is wrong, and what; "" if there is none."""
    for scene in SCENES:
        if scene.function == spec.name:
            stage.begin()
            try:
                scene.play(stage)
            except AssertionError as error:
                reason = next(iter(str(error).splitlines()), "something else is there")
                return f"{scene.trigger}: {scene.name} ({reason[:LONGEST_REASON]})"
    return ""
