"""What the stages set: settings, environments, outputs, and what production refuses."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from aws_cdk import App

from infra.app import build
from infra.functions import FUNCTIONS, FunctionSpec
from infra.stage import LOCAL, ROOT, stage_named
from tests.infra.conftest import OWN
from tests.infra.rights import construct_of
from tests.infra.template import Template
from trainer.storage.models import BASE_MODELS

pytestmark = pytest.mark.xdist_group("infra")

ALWAYS = {"TUNELOOP_STAGE", "TUNELOOP_TABLE", "POWERTOOLS_SERVICE_NAME", "LOG_LEVEL"}
# The settings that the composition root reads to make a thing.
MADE_FROM = {
    "objects": {"bucket"},
    "contents": {"bucket"},
    "membership": {"bucket"},
    "bus": {"bus"},
    "examples_queue": {"examples_queue_url"},
    "usage_queue": {"usage_queue_url"},
    "posts": {"bucket", "examples_queue_url"},
    "providers": {"origin", "provider", "provider_base_url", "provider_key_parameter"},
    "known_providers": {"provider"},
}


def settings_used_by(spec: FunctionSpec) -> set[str]:
    """The settings that a function's own code reads, or has made into what it takes from the composition root."""
    code = "\n".join(path.read_text("utf-8") for path in (ROOT / "functions" / spec.package).glob("*.py"))
    made = (MADE_FROM.get(thing, set()) for thing in re.findall(r"\bapp\.(\w+)", code))
    return set(re.findall(r"\bsettings\.(\w+)", code)).union(*made)


def test_a_function_is_told_exactly_what_its_code_uses(template: Template, spec: FunctionSpec) -> None:
    function = template.of_type("AWS::Lambda::Function")[f"{construct_of(spec)}/Function"]

    environment = function["Environment"]["Variables"]

    assert set(environment) == ALWAYS | {f"TUNELOOP_{name.upper()}" for name in settings_used_by(spec)}
    assert environment["POWERTOOLS_SERVICE_NAME"] == spec.name


def test_a_function_runs_its_own_package_on_this_interpreter_s_version(template: Template, spec: FunctionSpec) -> None:
    function = template.of_type("AWS::Lambda::Function")[f"{construct_of(spec)}/Function"]

    assert function["Handler"] == f"{spec.package}.handler.handler"
    assert function["Runtime"] == f"python3.{sys.version_info.minor}"
    assert (function["Timeout"], function["MemorySize"]) == (spec.timeout_s, spec.memory_mb)
    assert function["EphemeralStorage"] == {"Size": spec.disk_mb}
    assert function["Architectures"] == ["arm64"]
    assert template.text(function["LoggingConfig"]["LogGroup"]) == f"{construct_of(spec)}/Logs"


def test_what_spools_files_to_disk_has_all_the_disk_that_lambda_gives(spec: FunctionSpec) -> None:
    code = "\n".join(path.read_text("utf-8") for path in (ROOT / "functions" / spec.package).glob("*.py"))

    uses_disk = re.search(r"TemporaryFile|objects\.download\(|contents\.(search|blocks)\(", code)
    assert (spec.disk_mb == 10_240) == bool(uses_disk)


def test_the_access_log_tells_the_status_that_a_function_gave(template: Template) -> None:
    (stage,) = template.of_type("AWS::ApiGatewayV2::Stage").values()

    assert json.loads(stage["AccessLogSettings"]["Format"])["functionStatus"] == "$context.integration.status"


def test_logs_are_kept_for_a_stated_time(templates: dict[str, Template]) -> None:
    days = {
        stage: {group["RetentionInDays"] for group in template.of_type("AWS::Logs::LogGroup").values()}
        for stage, template in templates.items()
    }

    assert days == {"local": {1}, "prod": {30}}


def test_no_stage_traces_unless_it_is_told_to(template: Template) -> None:
    assert not any("TracingConfig" in function for function in template.of_type("AWS::Lambda::Function").values())


def test_the_outputs_name_what_operators_and_the_command_need(template: Template) -> None:
    outputs = set(template.body["Outputs"])

    functions = {f"{construct_of(spec).removeprefix('Functions/')}Function" for spec in FUNCTIONS}
    assert outputs == functions | {
        "ApiUrl", "ApiId", "TableName", "BucketName", "BusName", "ExamplesQueueUrl", "UsageQueueUrl",
        "FailuresQueueUrl", "ProviderKeyParameter", "Provider", "ProviderBaseUrl", "BaseModel", "IsEmulated",
        "Settings",
    }  # fmt: skip


def test_production_without_a_built_layer_can_be_read_but_not_deployed(tmp_path: Path) -> None:
    app = App(outdir=str(tmp_path), context={"stage": "prod", "layer_root": str(LOCAL.layer_root)})

    build(app)

    template = app.synth().get_stack_by_name("tuneloop-prod").template
    (assertion,) = template["Rules"]["LayerIsBuilt"]["Assertions"]
    assert assertion["Assert"] == {"Fn::Equals": ["layer", "missing"]}  # never true
    assert "build/layer is missing" in assertion["AssertDescription"]


def test_the_local_stage_has_no_such_rule(templates: dict[str, Template]) -> None:
    assert "LayerIsBuilt" not in templates["local"].body.get("Rules", {})


def test_a_stage_has_to_be_named() -> None:
    with pytest.raises(ValueError, match="There can't be a stage '': STAGE=prod, or for a throw-away stage"):
        stage_named(None, {})


def test_a_setting_that_no_stage_has_is_refused() -> None:
    with pytest.raises(ValueError, match=r"stage 'local' has no setting \['base_modle'\]"):
        stage_named("local", {"base_modle": "x"})


def test_settings_are_overridden_by_name() -> None:
    stage = stage_named("local", {"provider_base_url": "http://127.0.0.1:1/v1", "functions_root": "elsewhere"})

    assert stage.provider_base_url == "http://127.0.0.1:1/v1"
    assert stage.functions_root == Path("elsewhere")


def test_each_stage_keeps_its_provider_s_key_under_its_own_name() -> None:
    assert LOCAL.key_parameter == "/tuneloop/local/providers/trainer/key"
    assert stage_named("prod", OWN).key_parameter == "/tuneloop/prod/providers/own/key"


def test_the_local_stage_starts_runs_from_a_model_that_the_trainer_has() -> None:
    assert LOCAL.base_model in {model.id for model in BASE_MODELS}


def test_the_table_is_read_without_the_cdk() -> None:
    code = "import sys, infra.functions, infra.stage; sys.exit('aws_cdk' in sys.modules or 'jsii' in sys.modules)"

    finished = subprocess.run([sys.executable, "-c", code], check=False, timeout=240, cwd=Path(__file__).parents[2])

    assert finished.returncode == 0


def test_rows_have_different_names_routes_and_one_function_per_queue() -> None:
    routes = [endpoint for spec in FUNCTIONS for endpoint in spec.endpoints]
    queues = [spec.queue for spec in FUNCTIONS if spec.queue]

    assert len({spec.name for spec in FUNCTIONS}) == len(FUNCTIONS)
    assert len(set(routes)) == len(routes)
    assert len(set(queues)) == len(queues)
