"""One region for all: what AWS_REGION or the profile names is where boto3 looks and where the CDK deploys."""

import io
import sys
from pathlib import Path

import boto3
import pytest

from ops.cdk import quiet_environment, region_environment
from ops.deploy_checks import OLDEST_NODE
from tests.ops.conftest import operate

pytestmark = pytest.mark.usefixtures("account", "keyed")


@pytest.mark.parametrize("other", [None, "us-east-1"])
def test_a_command_works_in_the_region_that_aws_region_names(
    monkeypatch: pytest.MonkeyPatch, other: str | None
) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    if other:
        monkeypatch.setenv("AWS_DEFAULT_REGION", other)
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setattr(sys, "stdin", io.StringIO("sk-a-secret\n"))

    assert operate("provider-key", "--stage", "try") == 0

    assert boto3.client("ssm", region_name="eu-central-1").describe_parameters()["Parameters"]
    assert region_environment()["AWS_REGION"] == "eu-central-1"


def test_the_cdk_is_told_the_region_of_the_profile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.delenv(name)
    (tmp_path / "config").write_text("[profile work]\nregion = ap-south-1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "work")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)

    assert region_environment()["AWS_REGION"] == "ap-south-1"


def test_the_cdk_sends_no_telemetry_and_no_node_warning_beside_our_own() -> None:
    environment = quiet_environment({"PATH": "/bin"})

    assert environment["CDK_DISABLE_CLI_TELEMETRY"] == "true"
    assert str(OLDEST_NODE) in environment["JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION"].split(",")
