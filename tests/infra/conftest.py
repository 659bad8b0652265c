"""Both stages, synthesized once per test process: the CDK's JavaScript runtime takes seconds to start."""

import pytest
from aws_cdk import App

from infra.app import build
from infra.functions import FUNCTIONS, FunctionSpec
from tests.infra.template import Template


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Template]:
    return {stage: _synthesize(stage, str(tmp_path_factory.mktemp(stage))) for stage in ("local", "prod")}


@pytest.fixture(params=["local", "prod"])
def template(request: pytest.FixtureRequest, templates: dict[str, Template]) -> Template:
    return templates[request.param]


@pytest.fixture(params=FUNCTIONS, ids=lambda spec: spec.name)
def spec(request: pytest.FixtureRequest) -> FunctionSpec:
    row: FunctionSpec = request.param
    return row


def _synthesize(stage: str, directory: str) -> Template:
    app = App(outdir=directory, context={"stage": stage, "aws:cdk:enable-path-metadata": True})
    build(app)
    return Template(app.synth().get_stack_by_name(f"tuneloop-{stage}").template)
