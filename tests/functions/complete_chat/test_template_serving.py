"""A dataset's template reaches serving: versions are asked in the words in which they were trained."""

import json
from typing import Any

import pytest

from tests.examples import chat
from tests.functions import steps
from tests.unit.factories import an_export
from tests.world import World
from tuneloop.app import app
from tuneloop.domain.chat.templates import Template
from tuneloop.domain.exports.exports import Export

SCHEMA = {"type": "object", "properties": {"state": {"enum": ["late", "lost"]}}, "required": ["state"]}
TEMPLATE = {"system": "Say where it is.", "user": "Order: {{order}}", "answer_schema": SCHEMA}
NAMED = "Possible answers, one per line:\na"


def an_export_of(**changes: Any) -> Export:
    return an_export(template=Template(system="Be short.", answer_schema=SCHEMA), **changes)


def test_a_version_is_served_with_the_template_that_its_export_froze(live: World) -> None:
    live.call("POST /v1/datasets", "/v1/datasets", {"id": "support"})
    live.call("PATCH /v1/datasets/{dataset}", "/v1/datasets/support", {"template": TEMPLATE})
    rows = [{"input": {"order": f"number {n}"}, "output": {"state": ("late", "lost")[n % 2]}} for n in range(90)]
    steps.settled(live, rows)
    [run] = steps.runs(live)
    steps.followed(live, run["id"])

    base, version = (app.models.version(live.tenant, "support", number) for number in (0, 1))

    assert app.exports.get(live.tenant, "support", run["export"]).template == Template(**TEMPLATE)
    assert version.prompt == "Say where it is."
    assert base.prompt is not None
    assert base.prompt.startswith("Say where it is.\n\nPossible answers")
    assert version.parameters == base.parameters == Template(**TEMPLATE).parameters
    asked = version.parameters["response_format"]["json_schema"]["schema"]
    assert json.dumps(asked) == json.dumps(SCHEMA)


def test_another_template_starts_no_run_and_versions_keep_the_learnt_one(live: World) -> None:
    live.call("POST /v1/datasets", "/v1/datasets", {"id": "support", "template": TEMPLATE})
    rows = [{"input": {"order": f"number {n}"}, "output": {"state": ("late", "lost")[n % 2]}} for n in range(90)]
    steps.settled(live, rows)
    other = {"user": "{{title}}", "answer_schema": {"type": "object", "required": ["title"]}}
    live.call("PATCH /v1/datasets/{dataset}", "/v1/datasets/support", {"template": other})

    live.schedule("collect-examples")
    live.settle()
    [run] = steps.runs(live)
    steps.followed(live, run["id"])
    live.drop("support", [chat("Where is my order, please?", "late", split="train")], "more.jsonl")
    live.schedule("collect-examples")
    live.settle()

    exports = [app.exports.get(live.tenant, "support", run["export"]) for run in steps.runs(live)]
    assert {export.revision: export.template for export in exports} == {1: Template(**TEMPLATE), 2: None}


@pytest.mark.parametrize(
    ("export", "served"),
    [
        (an_export(prompt="a", base_prompt="a\n\nnames"), ("a", "a\n\nnames")),
        (an_export(), (None, None)),
        (an_export(base_prompt=NAMED), (None, NAMED)),
        (an_export_of(prompt="a", base_prompt="a\n\nnames"), ("a", "a\n\nnames")),
        (an_export_of(), ("Be short.", "Be short.")),
        (an_export_of(base_prompt=NAMED), ("Be short.", f"Be short.\n\n{NAMED}")),
    ],
)
def test_examples_are_served_with_the_prompt_they_share_or_the_template_s(
    export: Export, served: tuple[str | None, str | None]
) -> None:
    assert (export.served_prompt, export.served_base_prompt) == served
