"""Stages by name: production, throw-away ones, the machine that they run on, and settings that no deploy forgets."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App

from infra.app import build
from infra.stage import LOCAL, PROD, PYTHON, SETTINGS, Stage, read_settings, settings_file, stage_named
from ops.deploy_checks import OLDEST_BOOTSTRAP
from tests.infra.template import Template

pytestmark = pytest.mark.xdist_group("infra")

OWN = {"provider": "own", "provider_base_url": "https://llm.example/v1", "base_model": "gpt-oss-20b"}


def synthesized(directory: Path, stage: str, **context: str) -> tuple[Template, Any]:
    """The stage's template, and what the CDK will do with it."""
    app = App(outdir=str(directory), context={"stage": stage, "aws:cdk:enable-path-metadata": True, **context})
    build(app)
    artifact = app.synth().get_stack_by_name(f"tuneloop-{stage}")
    return Template(artifact.template), artifact


@pytest.fixture(scope="module")
def throw_away(tmp_path_factory: pytest.TempPathFactory) -> tuple[Template, Any]:
    unbuilt = {"layer_root": str(LOCAL.layer_root), "functions_root": str(LOCAL.functions_root)}
    return synthesized(tmp_path_factory.mktemp("try"), "try", architecture="x86_64", **unbuilt)


def built_tree(root: Path) -> Path:
    """A built tree in small: two layers and one function's folder for each, all with compiled files."""
    for folder in ("libraries/python", "tuneloop/python/tuneloop"):
        compiled = root / folder / "__pycache__"
        compiled.mkdir(parents=True)
        (compiled / "code.pyc").write_bytes(b"compiled")
    for function in (LOCAL.functions_root).iterdir():
        compiled = root / "functions" / function.name / "__pycache__"
        compiled.mkdir(parents=True)
        (compiled / "handler.pyc").write_bytes(b"compiled")
    return root


def test_a_throw_away_stage_keeps_nothing(throw_away: tuple[Template, Any]) -> None:
    template, artifact = throw_away

    for path in ("State/Table", "State/Bucket"):
        assert template.resource(path)["DeletionPolicy"] == "Delete"
    assert not template.of_type("AWS::DynamoDB::Table")["State/Table"].get("DeletionProtectionEnabled")
    assert not artifact.termination_protection
    for path, group in template.of_type("AWS::Logs::LogGroup").items():
        assert template.resource(path)["DeletionPolicy"] == "Delete"
        assert group["RetentionInDays"] <= 7


def test_production_is_protected_from_being_deleted(tmp_path: Path) -> None:
    _, artifact = synthesized(tmp_path, "prod", layer_root=str(LOCAL.layer_root))

    assert artifact.termination_protection


def test_production_goes_by_bootstrap_roles_and_takes_no_plain_text(tmp_path: Path) -> None:
    template, artifact = synthesized(tmp_path, "prod", layer_root=str(LOCAL.layer_root))

    assert "role/cdk-hnb659fds-deploy-role-" in artifact.assume_role_arn
    assert "role/cdk-hnb659fds-cfn-exec-role-" in artifact.cloud_formation_execution_role_arn
    assert artifact.requires_bootstrap_stack_version >= OLDEST_BOOTSTRAP
    kinds = {"AWS::S3::BucketPolicy": 1, "AWS::SQS::QueuePolicy": 5, "AWS::SNS::TopicPolicy": 1}
    for kind, number in kinds.items():
        policies = list(template.of_type(kind).values())
        assert len(policies) == number
        for policy in policies:
            denied = [each for each in policy["PolicyDocument"]["Statement"] if each["Effect"] == "Deny"]
            assert {"Bool": {"aws:SecureTransport": "false"}} in [each["Condition"] for each in denied]


def test_the_stack_tells_all_that_a_stage_s_file_may_set(throw_away: tuple[Template, Any]) -> None:
    template, _ = throw_away

    told = json.loads(template.body["Outputs"]["Settings"]["Value"])

    assert set(told) == set(SETTINGS)
    assert told["architecture"] == "x86_64"


def test_a_throw_away_stage_is_like_production_in_everything_else() -> None:
    stage, differing = stage_named("try", {}), {"name", "keeps_data", "log_retention_days", "dashboard"}

    assert {
        field for field in vars(stage) if getattr(stage, field) != getattr(stage_named("prod", {}), field)
    } <= differing


def test_functions_and_layers_are_for_the_stage_s_machines(throw_away: tuple[Template, Any]) -> None:
    template, _ = throw_away

    assert {tuple(row["Architectures"]) for row in template.of_type("AWS::Lambda::Function").values()} == {("x86_64",)}
    layers = template.of_type("AWS::Lambda::LayerVersion").values()
    assert {tuple(layer["CompatibleArchitectures"]) for layer in layers} == {("x86_64",)}


def test_every_stage_on_aws_refuses_to_be_deployed_without_a_built_layer(throw_away: tuple[Template, Any]) -> None:
    template, _ = throw_away

    assert "LayerIsBuilt" in template.body["Rules"]


def test_built_code_is_two_layers_with_their_compiled_files(tmp_path: Path) -> None:
    root = built_tree(tmp_path / "built")
    built = {"layer_root": str(root), "functions_root": str(root / "functions")}

    template, _ = synthesized(tmp_path / "out", "try", **built)

    assert set(template.of_type("AWS::Lambda::LayerVersion")) == {"Functions/Libraries", "Functions/Tuneloop"}
    assert {len(row["Layers"]) for row in template.of_type("AWS::Lambda::Function").values()} == {2}
    assert "LayerIsBuilt" not in template.body.get("Rules", {})
    zipped = {file.name for file in (tmp_path / "out").glob("asset.*/**/*.pyc")}
    assert zipped == {"code.pyc", "handler.pyc"}


def test_what_was_built_for_this_python_and_machine_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.stage.ROOT", tmp_path)
    assert not stage_named("try", {}).has_built_layer

    root = built_tree(tmp_path / "build" / "layer" / f"{PYTHON}-arm64")

    stage = stage_named("try", {})
    assert (stage.layer_root, stage.functions_root) == (root, root / "functions")
    assert stage.has_built_layer
    assert not stage_named("try", {"architecture": "x86_64"}).has_built_layer
    assert stage_named("local", {}).layer_root == LOCAL.layer_root


@pytest.mark.parametrize("name", ["", "1st", "Try", "a_b", "x" * 17, "try/../prod", "trÿ", "prod-eu", "local-2"])
def test_a_name_that_can_t_be_one_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="There can't be a stage"):
        stage_named(name, {})


def test_names_of_all_lengths_stay_within_aws_s_limit_of_64_letters() -> None:
    assert len(stage_named("x" * 16, {}).name_of("collect-examples-every-5-minutes")) <= 64


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"architecture": "mips"}, "arm64 or x86_64"),
        *(
            ({"settle_s": no_number}, "a whole number")
            for no_number in ("soon", "1_0", " 10", "+10", "\uff11\uff10", "-0", "")
        ),
        ({"uses_bootstrap_roles": "no"}, "true or false"),
        ({"log_retention_days": "2"}, "one of"),
        ({"provider": "own"}, "set all three"),
        ({**OWN, "provider": "a/b"}, "a short name"),
        ({**OWN, "provider_base_url": "http://llm.example/v1"}, "https://"),
        ({**OWN, "provider_base_url": "https://[bad/v1"}, "provider_base_url is no URL"),
        ({**OWN, "provider_base_url": "https://:word@llm.example/v1"}, "no user and no password"),
        ({**OWN, "provider_base_url": "https://127.0.0.1/v1"}, "must be reachable from AWS"),
        ({**OWN, "provider_base_url": "https://169.254.169.254/v1"}, "must be reachable from AWS"),
        ({"enforces_ssl": "false"}, "keeps data"),
        ({"settle_s": "0"}, "settle_s is 0: it has to be between 1 and 86,400"),
        ({"settle_s": "86401"}, "between 1 and 86,400"),
        ({"refresh_after_s": "3601"}, "refresh_after_s is 3601: it has to be between 0 and 3,600"),
        ({"unseen_after_s": "-1"}, "unseen_after_s is"),
        ({"unseen_after_s": "43201"}, "between 0 and 43,200"),
        ({"alarm_email": "oncall"}, "one address"),
        ({"alarm_email": "a@b"}, "one address"),
        ({"alarm_email": "a@example.com, b@example.com"}, "one address"),
        ({**OWN, "base_model": " "}, "base_model is empty"),
    ],
)
def test_settings_that_can_t_work_are_refused_in_words(settings: dict[str, str], why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)):
        stage_named("prod", settings)


def test_a_secret_in_an_address_is_not_repeated() -> None:
    with pytest.raises(ValueError, match="no password") as refused:
        stage_named("try", {**OWN, "provider_base_url": "https://:sk-secret@llm.example/v1"})

    assert "sk-secret" not in str(refused.value)


def test_only_what_is_deployed_to_this_machine_is_trained_on_it() -> None:
    here = {**OWN, "provider_base_url": "http://127.0.0.1:4570/v1"}

    assert stage_named("local", here).provider_base_url == here["provider_base_url"]
    assert stage_named("try", {**here, "enforces_ssl": "false"}).is_emulated
    assert not stage_named("try", OWN).is_emulated
    with pytest.raises(ValueError, match="must be reachable from AWS"):
        stage_named("try", here)


def test_another_provider_has_a_key_of_its_own() -> None:
    stage = stage_named("prod", OWN)

    assert (stage.provider_base_url, stage.base_model) == (OWN["provider_base_url"], OWN["base_model"])
    assert stage.key_parameter == "/tuneloop/prod/providers/own/key"


@pytest.fixture
def stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TUNELOOP_STAGES", str(tmp_path))
    return tmp_path


def write(name: str, content: Any) -> None:
    settings_file(name).write_text(json.dumps(content))


def read(name: str) -> Stage:
    return stage_named(name, read_settings(name))


@pytest.mark.usefixtures("stages")
def test_a_stage_s_file_is_read_at_every_deploy() -> None:
    write("prod", {**OWN, "settle_s": 120, "uses_bootstrap_roles": False})

    stage = read("prod")

    assert (stage.provider, stage.settle_s, stage.uses_bootstrap_roles) == ("own", 120, False)
    assert read("try").provider == PROD.provider


@pytest.mark.usefixtures("stages")
def test_the_local_stage_has_no_file() -> None:
    write("local", OWN)

    assert read("local") == LOCAL


@pytest.mark.usefixtures("stages")
@pytest.mark.parametrize("content", [{"layer_root": "/"}, {"base_modle": "x"}, ["provider"]])
def test_a_file_with_anything_else_is_refused_with_what_it_may_say(content: Any) -> None:
    write("prod", content)

    with pytest.raises(ValueError, match="provider, provider_base_url, base_model"):
        read_settings("prod")


@pytest.mark.usefixtures("stages")
@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "line 1: the file is empty"),
        ("\n \n", "the file is empty"),
        ('{\n  "settle_s": 60,\n}', "line 3: "),
        ('{"settle_s": 60', "line 1: "),
        ("\ufeff{", "line 1: "),
        ('{"settle_s": 60, "settle_s": 90}', "settle_s stands there more than once"),
        ('{"settle_s": "60"}', 'settle_s is "60"; it has to be a whole number, without quotes'),
        ('{"settle_s": 1.5}', "settle_s is 1.5"),
        ('{"settle_s": true}', "settle_s is true"),
        ('{"settle_s": NaN}', "settle_s is NaN"),
        ('{"traces": "true"}', 'traces is "true"; it has to be true or false, without quotes'),
        ('{"traces": 1}', "traces is 1"),
        ('{"alarm_email": null}', "alarm_email is null; it has to be a text in quotes"),
        ('{"settel_s": 60}', "there is no setting 'settel_s'"),
    ],
)
def test_a_file_that_can_t_be_read_is_named_with_what_is_wrong(text: str, why: str) -> None:
    settings_file("prod").write_text(text, "utf-8")

    with pytest.raises(ValueError, match=re.escape(why)) as refused:
        read_settings("prod")

    assert str(settings_file("prod")) in str(refused.value)


@pytest.mark.usefixtures("stages")
def test_a_file_may_begin_with_a_byte_order_mark() -> None:
    settings_file("prod").write_text('{"settle_s": 90}', "utf-8-sig")

    assert read("prod").settle_s == 90


def test_what_the_context_says_goes_before_the_file(tmp_path: Path) -> None:
    app = App(outdir=str(tmp_path), context={"stage": "local", "base_model": "from-the-context"})

    build(app, {"base_model": "from-the-file", "settle_s": "7"})

    outputs = app.synth().get_stack_by_name("tuneloop-local").template["Outputs"]
    assert outputs["BaseModel"]["Value"] == "from-the-context"


def test_every_setting_is_a_field_of_a_stage() -> None:
    assert set(SETTINGS) <= set(vars(PROD))
