"""The deployed stack, the loop that is gone round on it, and the table of what was found at the end."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from infra.stage import LOCAL
from local.stack import ROOT, LocalStack
from ops.smoke.journey import Journey
from tests.grants.roles import Grant
from tests.grants.stage import Stage

SAMPLE = ROOT / "local" / "data" / "support.jsonl"
STEP_S = 120
NOBODY = "UNUSED: nobody notices"
FOUND = pytest.StashKey["list[Finding]"]()


class Finding(NamedTuple):
    """A grant, and what noticed that it was gone; nothing did where it isn't needed."""

    function: str
    grant: Grant
    noticed_by: str


@pytest.fixture(scope="session")
def stack() -> Iterator[LocalStack]:
    with LocalStack(ROOT / "build" / "grants", unseen_after_s="0", quiet_s="0") as running:
        yield running


def go_round(stack: LocalStack, tenant: str) -> dict[str, Any]:
    """Go round the whole loop as a new tenant; gives its run, or raises where the loop doesn't close."""
    journey = Journey(stack=stack, dataset="support", tenant=tenant)
    journey.make_key()
    journey.drop(SAMPLE)
    with journey.api as api, journey.openai() as client:
        journey.wait_for_drops(1, STEP_S)
        [run] = journey.wait_for("A run", lambda: api.get("/training-runs")["data"], STEP_S)
        *_, (ended, _) = journey.follow(run["id"], STEP_S)
        journey.wait_for_evaluation(lambda _: None, STEP_S)
        assert journey.wait_for_decision(STEP_S)["stable"] == ended["version"]
        assert journey.ask(client, "Where is my refund?", "user-1").version == ended["version"]
        journey.wait_for_usage(STEP_S)
    return ended


@pytest.fixture(scope="session")
def run(stack: LocalStack) -> dict[str, Any]:
    """The run of a loop that was closed with every grant in its place."""
    return go_round(stack, "whole")


@pytest.fixture(scope="session")
def stage(stack: LocalStack, run: dict[str, Any]) -> Stage:
    """The stage, on which from now on no rule, queue or stream wakes anything."""
    events, functions = stack.client("events"), stack.client("lambda")
    for bus in ("default", stack.outputs["BusName"]):
        for rule in events.list_rules(EventBusName=bus, NamePrefix=LOCAL.name_of(""))["Rules"]:
            events.disable_rule(Name=rule["Name"], EventBusName=bus)
    for mapping in functions.list_event_source_mappings()["EventSourceMappings"]:
        functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    return Stage(stack, run)


@pytest.fixture
def findings(pytestconfig: pytest.Config) -> list[Finding]:
    """What was found so far."""
    return pytestconfig.stash.setdefault(FOUND, [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    found = config.stash.get(FOUND, [])
    if not found:
        return
    rows = [(each.function, each.grant.action, place(each.grant.resource), each.noticed_by) for each in found]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    terminalreporter.section("what notices that a grant is gone")
    for *cells, noticed in rows:
        terminalreporter.write_line("  ".join([*map(str.ljust, cells, widths), noticed]))
    unused = sum(each.noticed_by == NOBODY for each in found)
    machinery = sum(each.grant.user is not None for each in found)
    needed = len(found) - unused - machinery
    terminalreporter.write_line(f"{needed} needed, {machinery} for Lambda's own machinery, {unused} unused")


def place(resource: str) -> str:
    """A resource without its partition, region and account."""
    return resource.split(":", 5)[-1]
