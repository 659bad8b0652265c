"""Before a deploy makes anything: each trouble is told with what mends it, and only real obstacles stop it."""

import json
from datetime import date

import boto3
import pytest

import ops.deploy
from infra.stage import SETTINGS, Stage, read_settings, settings_file, stage_named
from ops.console import CommandRefused
from ops.deploy import next_steps, run_checks, stage_on_aws
from ops.deploy_checks import (
    BOOTSTRAP_PARAMETER,
    Check,
    CheckMark,
    bedrock_checks,
    checks,
    closing_checks,
    concurrency_check,
)
from tests.ops.conftest import OWN, Standing

pytestmark = pytest.mark.usefixtures("account")

# What an owner may have chosen for each setting.
CHOSEN = {
    **OWN,
    "architecture": "x86_64",
    "settle_s": "120",
    "refresh_after_s": "30",
    "unseen_after_s": "900",
    "log_retention_days": "90",
    "uses_bootstrap_roles": "false",
    "enforces_ssl": "false",
    "traces": "true",
    "alarm_email": "oncall@example.com",
    "dashboard": "false",
    "bedrock": "true",
}
NOVA = {"provider": "bedrock", "base_model": "amazon.nova-micro-v1:0"}
OPENAI = {
    "provider": "openai",
    "provider_base_url": "https://api.openai.com/v1",
    "base_model": "gpt-4.1-mini-2025-04-14",
}


def found(stage: Stage, word: str, **outputs: str) -> Check:
    [check] = [check for check in checks(stage, Standing(stage, **outputs)) if word in check.sentence]
    return check


def bootstrap(version: str = "21") -> None:
    boto3.client("ssm").put_parameter(Name=BOOTSTRAP_PARAMETER, Value=version, Type="String")


def test_the_account_and_region_are_named(stage: Stage) -> None:
    says = found(stage, "AWS account").sentence

    assert "123456789012" in says
    assert "eu-west-1" in says


def test_without_credentials_nothing_else_is_asked_of_aws(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    last = list(checks(stage, Standing(stage)))[-1]

    assert last.mark == CheckMark.STOP
    assert "not signed in to AWS" in last.sentence


def test_an_account_without_the_cdk_s_bootstrap_stops_with_the_command(keyed: Stage) -> None:
    check = found(keyed, "bootstrap")

    assert check.mark == CheckMark.STOP
    assert "make bootstrap" in check.sentence


def test_a_bootstrap_that_is_too_old_stops(keyed: Stage) -> None:
    bootstrap("5")

    assert found(keyed, "bootstrap").mark == CheckMark.STOP


def test_a_bootstrapped_account_is_fine(keyed: Stage) -> None:
    bootstrap()

    assert found(keyed, "bootstrap").mark == CheckMark.FINE


def test_without_bootstrap_roles_the_bucket_for_code_is_looked_for() -> None:
    stage = stage_named("try", {"uses_bootstrap_roles": "false"})
    bucket = "cdk-hnb659fds-assets-123456789012-eu-west-1"
    assert found(stage, bucket).mark == CheckMark.STOP

    boto3.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})

    assert found(stage, bucket).mark == CheckMark.FINE


def test_a_missing_key_is_noted_with_the_command_and_does_not_stop(keyed: Stage) -> None:
    check = found(keyed, "provider's key")

    assert check.mark == CheckMark.NOTE
    assert "make provider-key STAGE=try" in check.sentence


def test_a_key_in_plain_text_is_noted(keyed: Stage) -> None:
    boto3.client("ssm").put_parameter(Name=keyed.key_parameter, Value="sk", Type="String")

    assert "is a String, not a SecureString" in found(keyed, "provider's key").sentence


@pytest.mark.parametrize(("name", "was"), CHOSEN.items())
def test_a_deploy_that_would_forget_a_setting_stops_with_what_to_keep(stage: Stage, name: str, was: str) -> None:
    ours = {name: was, **OWN} if name in OWN else {name: was}
    deployed = stage_named("try", ours).settings

    check = found(stage, "would lose", Settings=deployed)

    assert check.mark == CheckMark.STOP
    kept = json.loads(check.sentence[check.sentence.index("{") :])
    settings_file("try").write_text(json.dumps(kept))
    assert stage_named("try", read_settings("try")).settings == deployed
    assert found(stage, "changes the deployed stage", Settings=deployed).mark == CheckMark.NOTE


def test_every_setting_is_kept_from_being_forgotten() -> None:
    assert set(CHOSEN) == set(SETTINGS)


def test_bedrock_needs_no_key_and_a_region_that_trains_the_base(stage: Stage) -> None:
    [here], [elsewhere] = bedrock_checks(stage, "us-east-1"), bedrock_checks(stage, "eu-central-1")

    assert (here.mark, elsewhere.mark) == (CheckMark.FINE, CheckMark.STOP)
    assert "amazon.nova-micro-v1:0 in us-east-1, and this deploy goes to eu-central-1" in elsewhere.sentence
    assert "export AWS_REGION=us-east-1" in elsewhere.sentence
    assert "try.json" in elsewhere.sentence
    assert not list(bedrock_checks(stage_named("try", OWN), "eu-central-1"))
    assert found(stage, "no key is needed").mark == CheckMark.FINE


def test_a_stage_from_when_openai_was_the_default_is_not_moved_unasked(stage: Stage) -> None:
    before = stage_named("try", OPENAI).settings

    check = found(stage, "would lose", Settings=before)

    assert check.mark == CheckMark.STOP
    assert all(f'"{name}": "{value}"' in check.sentence for name, value in OPENAI.items())


@pytest.mark.parametrize(("settings", "needed"), [({}, False), (OWN, True)])
def test_what_comes_next_is_a_key_only_where_one_is_missing(settings: dict[str, str], *, needed: bool) -> None:
    deployed = Standing(stage_named("try", settings), ApiUrl="https://api.example/")

    assert ("make provider-key" in next_steps(deployed)) is needed


def test_a_base_that_bedrock_bills_by_the_hour_stops_a_deploy() -> None:
    llama = stage_named("try", {**NOVA, "base_model": "meta.llama3-1-8b-instruct-v1:0"})

    [check] = bedrock_checks(llama, "us-west-2")

    assert check.mark == CheckMark.STOP
    assert "by the hour" in check.sentence


@pytest.mark.parametrize("status", ["ROLLBACK_COMPLETE", "ROLLBACK_FAILED"])
def test_a_failed_first_deploy_stops_with_the_commands_that_clear_it(status: str) -> None:
    deployed = Standing(stage_named("prod", {}))
    deployed.stack = {"StackStatus": status, "EnableTerminationProtection": True}

    [check] = [check for check in checks(deployed.stage, deployed) if status in check.sentence]

    assert check.mark == CheckMark.STOP
    commands = [line.strip() for line in check.sentence.splitlines()[1:]]
    assert [command.split()[1:3] for command in commands] == [
        ["cloudformation", "update-termination-protection"],
        ["cloudformation", "delete-stack"],
        ["cloudformation", "wait"],
        ["dynamodb", "update-table"],
        ["dynamodb", "delete-table"],
        ["s3api", "delete-bucket"],
    ]
    assert all("tuneloop-prod" in command for command in commands[:3])
    assert commands[3].endswith("--no-deletion-protection-enabled --table-name table")
    assert commands[5].endswith("--bucket bucket")


@pytest.mark.parametrize("status", ["CREATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "DELETE_FAILED"])
def test_a_stack_that_came_up_once_is_never_told_to_be_deleted(status: str) -> None:
    deployed = Standing(stage_named("prod", {}))
    deployed.stack = {"StackStatus": status, "EnableTerminationProtection": True}

    assert not any("delete-stack" in check.sentence for check in checks(deployed.stage, deployed))


def test_the_cdk_itself_clears_away_a_throw_away_stage_that_failed(stage: Stage) -> None:
    deployed = Standing(stage)
    deployed.stack = {"StackStatus": "ROLLBACK_COMPLETE"}

    assert not any("delete-stack" in check.sentence for check in checks(stage, deployed))


def test_an_account_that_runs_few_functions_at_once_is_noted() -> None:
    assert concurrency_check(10).mark == CheckMark.NOTE
    assert "Service Quotas" in concurrency_check(10).sentence
    assert concurrency_check(1000).mark == CheckMark.FINE


def test_a_limit_that_may_not_be_read_does_not_stop(stage: Stage) -> None:
    assert found(stage, "could not be read").mark == CheckMark.FINE  # moto doesn't tell it


def test_a_model_without_a_known_price_is_noted() -> None:
    known = {"provider": "own", "provider_base_url": "https://llm.example/v1", "base_model": "gpt-oss-20b"}

    assert found(stage_named("try", known), "No price is known").mark == CheckMark.NOTE


def test_a_closing_provider_is_noted_with_dates_and_a_closed_one_stops() -> None:
    stage = stage_named("try", OPENAI)

    before, shutdown = closing_checks(stage, date(2027, 1, 5))
    after, *_ = closing_checks(stage, date(2027, 1, 6))

    assert (before.mark, after.mark) == (CheckMark.NOTE, CheckMark.STOP)
    assert "from 2027-01-06 it takes no jobs" in before.sentence
    assert "since 2027-01-06 it takes no jobs" in after.sentence
    assert "try.json" in after.sentence
    assert "2027-01-14" in shutdown.sentence


def test_what_stops_is_shown_and_nothing_is_made(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ops.deploy, "DeployedStage", Standing)

    with pytest.raises(CommandRefused, match="Nothing was made"):
        run_checks(stage)

    assert "✗ The CDK has not been bootstrapped" in capsys.readouterr().out


def test_the_local_stage_is_not_deployed_to_aws() -> None:
    with pytest.raises(CommandRefused, match="make local"):
        stage_on_aws("local")
    with pytest.raises(CommandRefused, match="Which stage"):
        stage_on_aws("")
