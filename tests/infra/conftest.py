"""The stages, synthesized once per test process: the CDK's JavaScript runtime takes seconds to start."""

from collections.abc import Callable
from pathlib import Path

import pytest
from aws_cdk import App
from cdk_nag import AwsSolutionsChecks

from infra.app import build
from infra.functions import FUNCTIONS, FunctionSpec
from tests.infra.template import Template

Synthesize = Callable[..., Template]
# Of a stage without Bedrock; test_bedrock.py looks at one as it is without any settings.
OWN = {"provider": "own", "provider_base_url": "https://llm.example/v1", "base_model": "gpt-oss-20b"}
SETTINGS: dict[str, dict[str, str]] = {"local": {}, "prod": OWN}


@pytest.fixture(scope="session")
def apps(tmp_path_factory: pytest.TempPathFactory) -> dict[str, App]:
    return {stage: _app(stage, str(tmp_path_factory.mktemp(stage)), **own) for stage, own in SETTINGS.items()}


@pytest.fixture(scope="session")
def templates(apps: dict[str, App]) -> dict[str, Template]:
    return {stage: _synthesized(app, stage) for stage, app in apps.items()}


@pytest.fixture(scope="session")
def findings(apps: dict[str, App], templates: dict[str, Template]) -> set[tuple[str, str]]:
    """What cdk-nag finds in production: resource and rule, both by the paths of what they name."""
    prod = templates["prod"]
    report = AwsSolutionsChecks(apps["prod"]).validate_scope(apps["prod"])
    return {
        (str(resource.construct_path).split("/", 1)[1].removesuffix("/Resource"), prod.named(violation.rule_name))
        for violation in report.violations
        for resource in violation.violating_resources
    }


@pytest.fixture
def synthesize(tmp_path: Path) -> Synthesize:
    """A stage with other settings than its own."""
    return lambda stage, **settings: _synthesized(_app(stage, str(tmp_path), **settings), stage)


@pytest.fixture(params=["local", "prod"])
def template(request: pytest.FixtureRequest, templates: dict[str, Template]) -> Template:
    return templates[request.param]


@pytest.fixture(params=FUNCTIONS, ids=lambda spec: spec.name)
def spec(request: pytest.FixtureRequest) -> FunctionSpec:
    row: FunctionSpec = request.param
    return row


def _app(stage: str, directory: str, **settings: str) -> App:
    app = App(outdir=directory, context={"stage": stage, "aws:cdk:enable-path-metadata": True, **settings})
    build(app)
    return app


def _synthesized(app: App, stage: str) -> Template:
    return Template(app.synth().get_stack_by_name(f"tuneloop-{stage}").template)
