"""A stage that trains on Bedrock, as one does by itself: its jobs' role, rights and rule; no other stage has them."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App
from cdk_nag import AwsSolutionsChecks

from infra.app import build
from infra.bus import JOBS_ON_BEDROCK
from infra.functions import FUNCTIONS, FunctionSpec
from infra.nag import accepted_findings, accepted_findings_on_bedrock
from infra.stage import LOCAL, ROOT, stage_named
from tests.infra.conftest import OWN
from tests.infra.rights import construct_of, granted
from tests.infra.template import Template, as_list
from tuneloop.providers.catalog import price_of

pytestmark = pytest.mark.xdist_group("infra")

HERE = "arn:<AWS::Partition>:bedrock:<AWS::Region>:<AWS::AccountId>"
NOVA = {"provider": "bedrock", "base_model": "amazon.nova-micro-v1:0"}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> App:
    return app_of("prod", tmp_path_factory.mktemp("bedrock"))


@pytest.fixture(scope="module")
def template(app: App) -> Template:
    return Template(app.synth().get_stack_by_name("tuneloop-prod").template)


def app_of(stage: str, folder: Path, **settings: str) -> App:
    made = App(outdir=str(folder), context={"stage": stage, "aws:cdk:enable-path-metadata": True, **settings})
    build(made)
    return made


def synthesized(stage: str, folder: Path, **settings: str) -> Template:
    return Template(app_of(stage, folder, **settings).synth().get_stack_by_name(f"tuneloop-{stage}").template)


def statements_of(template: Template, role: str) -> list[dict[str, Any]]:
    policies = template.of_type("AWS::IAM::Role")[role]["Policies"]
    return [statement for policy in policies for statement in policy["PolicyDocument"]["Statement"]]


def environment_of(template: Template, spec: FunctionSpec) -> dict[str, Any]:
    function = template.of_type("AWS::Lambda::Function")[f"{construct_of(spec)}/Function"]
    variables: dict[str, Any] = function["Environment"]["Variables"]
    return variables


def test_only_bedrock_may_take_the_jobs_role_for_jobs_of_this_account(template: Template) -> None:
    (statement,) = template.of_type("AWS::IAM::Role")["Bedrock/JobRole"]["AssumeRolePolicyDocument"]["Statement"]

    assert statement["Principal"] == {"Service": "bedrock.amazonaws.com"}
    conditions = {
        kind: {key: template.text(value) for key, value in on.items()} for kind, on in statement["Condition"].items()
    }
    assert conditions == {
        "StringEquals": {"aws:SourceAccount": "<AWS::AccountId>"},
        "ArnEquals": {"aws:SourceArn": f"{HERE}:model-customization-job/*"},
    }


def test_the_jobs_role_has_what_bedrock_asks_below_two_prefixes_alone(template: Template) -> None:
    statements = statements_of(template, "Bedrock/JobRole")

    rights = {(action, text) for s in statements for action in as_list(s["Action"]) for text in _places(template, s)}
    assert rights == {
        ("s3:GetObject", "State/Bucket/training/*"),
        ("s3:GetObject", "State/Bucket/training-output/*"),
        ("s3:PutObject", "State/Bucket/training-output/*"),
        ("s3:ListBucket", "State/Bucket"),
    }
    (listing,) = [s for s in statements if s["Action"] == "s3:ListBucket"]
    assert listing["Condition"] == {"StringLike": {"s3:prefix": ["training/*", "training-output/*"]}}


def _places(template: Template, statement: dict[str, Any]) -> list[str]:
    return [template.text(resource) for resource in as_list(statement["Resource"])]


def test_each_function_may_do_what_its_row_says_and_pass_bedrock_one_role(template: Template) -> None:
    for spec in FUNCTIONS:
        rights = granted(template, spec)
        asked = {action.removeprefix("bedrock:") for action, _ in rights if action.startswith("bedrock:")}
        assert asked == set(spec.bedrock.actions)
        passed = {resource for action, resource in rights if action == "iam:PassRole"}
        assert passed == ({"Bedrock/JobRole"} if spec.bedrock.passes_role else set())
        places = {resource for action, resource in rights if action.startswith("s3:") and "/training" in resource}
        more = (*spec.bedrock.reads, *spec.bedrock.writes, *spec.bedrock.deletes)
        assert places == {f"State/Bucket/{prefix}*" for prefix in more}
    (passing,) = [s for s in statements_of(template, "Functions/LaunchFinetune/Role") if s["Action"] == "iam:PassRole"]
    assert passing["Condition"] == {"StringEquals": {"iam:PassedToService": "bedrock.amazonaws.com"}}


def test_rights_are_to_this_region_s_resources_of_an_action_s_kind(template: Template) -> None:
    rights = {right for spec in FUNCTIONS for right in granted(template, spec) if right[0].startswith("bedrock:")}

    assert ("bedrock:InvokeModel", f"{HERE}:custom-model-deployment/*") in rights
    assert ("bedrock:InvokeModel", "arn:<AWS::Partition>:bedrock:<AWS::Region>::foundation-model/*") in rights
    everything = {action for action, resource in rights if resource == "*"}
    assert everything == {"bedrock:ListModelCustomizationJobs", "bedrock:ListFoundationModels"}


def test_what_the_rules_of_cdk_nag_find_besides_is_accepted_with_a_reason(app: App, template: Template) -> None:
    found = {
        (str(resource.construct_path).split("/", 1)[1].removesuffix("/Resource"), template.named(violation.rule_name))
        for violation in AwsSolutionsChecks(app).validate_scope(app).violations
        for resource in violation.violating_resources
    }

    assert found - {(one.path, one.rule) for one in accepted_findings()} == {
        (o.path, o.rule) for o in accepted_findings_on_bedrock()
    }


def test_a_stage_without_bedrock_has_none_of_it(templates: dict[str, Template]) -> None:
    for other in templates.values():
        text = json.dumps(other.body)
        assert "bedrock" not in text.lower().replace('\\"bedrock\\"', "").replace("with bedrock", "")
        assert "training-output" not in text


def test_the_rule_hears_of_jobs_and_its_pattern_matches_the_recorded_event(template: Template) -> None:
    rule = template.of_type("AWS::Events::Rule")["Rules/CheckStatusJobs/Rule"]
    event = json.loads((ROOT / "events" / "check_status.bedrock.json").read_text("utf-8"))

    assert rule["EventPattern"] == JOBS_ON_BEDROCK
    assert all(event[field] in allowed for field, allowed in rule["EventPattern"].items())
    assert template.text(rule["Targets"][0]["Arn"]) == "Functions/CheckStatus/Function"
    assert "EventBusName" not in rule


def test_functions_are_told_that_there_is_bedrock_and_no_key(template: Template) -> None:
    told = {spec.name: environment_of(template, spec) for spec in FUNCTIONS}

    assert {name for name, variables in told.items() if "TUNELOOP_BEDROCK_ROLE_ARN" in variables} == {"launch-finetune"}
    assert all(told[spec.name]["TUNELOOP_BEDROCK"] == "true" for spec in FUNCTIONS if "provider" in spec.settings)
    assert "TUNELOOP_BUCKET" in told["check-status"]
    assert not any("TUNELOOP_PROVIDER_KEY_PARAMETER" in variables for variables in told.values())
    assert not any(name.startswith("AWS_ENDPOINT") for variables in told.values() for name in variables)


def test_training_files_go_by_themselves(template: Template) -> None:
    (bucket,) = template.of_type("AWS::S3::Bucket").values()

    rules = {rule["Id"]: rule for rule in bucket["LifecycleConfiguration"]["Rules"]}
    assert (rules["training"]["Prefix"], rules["training"]["ExpirationInDays"]) == ("training/", 30)
    assert rules["training-output"]["ExpirationInDays"] == 90


def test_a_stage_of_another_provider_can_have_bedrock_beside_it(tmp_path: Path) -> None:
    both = synthesized("prod", tmp_path, bedrock="true", **OWN)

    variables = environment_of(both, next(spec for spec in FUNCTIONS if spec.name == "launch-finetune"))
    assert variables["TUNELOOP_BEDROCK"] == "true"
    assert variables["TUNELOOP_PROVIDER_KEY_PARAMETER"]
    assert "Bedrock/JobRole" in both.of_type("AWS::IAM::Role")


def test_on_this_machine_the_trainer_stands_for_bedrock(tmp_path: Path) -> None:
    url = "http://127.0.0.1:4570"
    settings = {"provider": "bedrock", "base_model": "tuneloop.linear-v1:0", "bedrock_url": url}

    local = synthesized("local", tmp_path, **settings)

    told = {spec.name: environment_of(local, spec) for spec in FUNCTIONS}
    asking = {name for name, variables in told.items() if variables.get("AWS_ENDPOINT_URL_BEDROCK") == url}
    assert asking == {spec.name for spec in FUNCTIONS if spec.bedrock.actions}
    principals = [
        as_list(statement["Principal"])
        for statement in local.of_type("AWS::IAM::Role")["Bedrock/JobRole"]["AssumeRolePolicyDocument"]["Statement"]
    ]
    assert len(principals) == 2


@pytest.mark.parametrize("name", ["prod", "try"])
def test_without_settings_a_stage_trains_where_a_new_account_can_keyless(name: str) -> None:
    stage, dead = stage_named(name, {}), date(2027, 1, 6)

    assert (stage.provider, stage.needs_key) == ("bedrock", False)
    offer = price_of(stage.provider, stage.base_model)
    assert offer
    assert offer.serves_on_demand
    assert not offer.closing_date(dead)
    assert None not in {offer.training_per_1m, offer.input_per_1m, offer.output_per_1m, offer.storage_per_month}


def test_bedrock_is_set_up_by_two_settings_and_has_no_address() -> None:
    stage = stage_named("prod", NOVA)

    assert stage.provider_base_url == ""
    assert stage.trains_on_bedrock
    assert not stage.needs_key
    with pytest.raises(ValueError, match="bedrock has none"):
        stage_named("prod", {**NOVA, "provider_base_url": "https://api.openai.com/v1"})
    with pytest.raises(ValueError, match="for the local stage"):
        stage_named("prod", {"bedrock_url": "http://127.0.0.1:4570"})
    assert not LOCAL.trains_on_bedrock
