"""Before a deploy makes anything: each trouble is told with what mends it, and only real obstacles stop it."""

from datetime import date

import boto3
import pytest

import release.deploy
from infra.stage import Stage, settings_file, stage_named
from release.checks import BOOTSTRAP, Check, Mark, checks, closing
from release.deploy import looked_at, stage_on_aws
from release.screen import Refusal
from tests.release.conftest import Standing

pytestmark = pytest.mark.usefixtures("account")


def found(stage: Stage, word: str, **outputs: str) -> Check:
    [check] = [check for check in checks(stage, Standing(stage, **outputs)) if word in check.says]
    return check


def bootstrap(version: str = "21") -> None:
    boto3.client("ssm").put_parameter(Name=BOOTSTRAP, Value=version, Type="String")


def test_the_account_and_region_are_named(stage: Stage) -> None:
    says = found(stage, "AWS account").says

    assert "123456789012" in says
    assert "eu-west-1" in says


def test_without_credentials_nothing_else_is_asked_of_aws(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    last = list(checks(stage, Standing(stage)))[-1]

    assert last.mark == Mark.STOP
    assert "AWS credentials" in last.says


def test_an_account_without_the_cdk_s_bootstrap_stops_with_the_command(stage: Stage) -> None:
    check = found(stage, "bootstrap")

    assert check.mark == Mark.STOP
    assert "cdk bootstrap aws://123456789012/eu-west-1" in check.says


def test_a_bootstrap_that_is_too_old_stops(stage: Stage) -> None:
    bootstrap("5")

    assert found(stage, "bootstrap").mark == Mark.STOP


def test_a_bootstrapped_account_is_fine(stage: Stage) -> None:
    bootstrap()

    assert found(stage, "bootstrap").mark == Mark.FINE


def test_without_bootstrap_roles_the_bucket_for_code_is_looked_for() -> None:
    stage = stage_named("try", {"uses_bootstrap_roles": "false"})
    bucket = "cdk-hnb659fds-assets-123456789012-eu-west-1"
    assert found(stage, bucket).mark == Mark.STOP

    boto3.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})

    assert found(stage, bucket).mark == Mark.FINE


def test_a_missing_key_is_noted_with_the_command_and_does_not_stop(stage: Stage) -> None:
    check = found(stage, "provider's key")

    assert check.mark == Mark.NOTE
    assert "make provider-key STAGE=try" in check.says


def test_a_key_in_plain_text_is_noted(stage: Stage) -> None:
    boto3.client("ssm").put_parameter(Name=stage.key_parameter, Value="sk", Type="String")

    assert "is a String, not a SecureString" in found(stage, "provider's key").says


def test_a_deploy_that_would_forget_the_stage_s_settings_stops(stage: Stage) -> None:
    deployed = {"Provider": "elsewhere", "ProviderBaseUrl": stage.provider_base_url, "BaseModel": stage.base_model}

    check = found(stage, "provider elsewhere -> openai", **deployed)

    assert check.mark == Mark.STOP
    assert '{"provider": "elsewhere", ' in check.says
    settings_file("try").write_text("{}")
    assert found(stage, "provider elsewhere -> openai", **deployed).mark == Mark.NOTE


def test_a_model_without_a_known_price_is_noted() -> None:
    known = {"provider": "own", "provider_base_url": "https://llm.example/v1", "base_model": "gpt-oss-20b"}

    assert found(stage_named("try", known), "No price is known").mark == Mark.NOTE


def test_a_provider_that_is_closing_is_noted_with_its_dates(stage: Stage) -> None:
    before = [check.says for check in closing(stage, date(2026, 11, 21))]
    after = [check.says for check in closing(stage, date(2027, 1, 6))]

    assert "from 2027-01-06 it takes no jobs" in before[0]
    assert "since 2027-01-06 it has taken no jobs" in after[0]
    assert "2027-01-14" in before[1]


def test_what_stops_is_shown_and_nothing_is_made(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(release.deploy, "Deployed", Standing)

    with pytest.raises(Refusal, match="Nothing was made"):
        looked_at(stage)

    assert "✗ The CDK has not been bootstrapped" in capsys.readouterr().out


def test_the_local_stage_is_not_deployed_to_aws() -> None:
    with pytest.raises(Refusal, match="make local"):
        stage_on_aws("local")
    with pytest.raises(Refusal, match="Which stage"):
        stage_on_aws("")
