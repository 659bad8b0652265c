"""An account in moto for operators' commands, and what CloudFormation would say of a stage."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from infra.stage import Stage, settings_file, stage_named
from ops.__main__ import app
from ops.stage_access import DeployedStage

OWN = {"provider": "own", "provider_base_url": "https://llm.example/v1", "base_model": "gpt-oss-20b"}


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[None]:
    """An empty account, and a folder for stages' settings."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_REGION": "eu-west-1",
        "TUNELOOP_STAGES": str(tmp_path),
    }.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        yield


@pytest.fixture
def stage(account: None) -> Stage:  # noqa: ARG001 - its settings stand in the account's folder
    return stage_named("try", {})


@pytest.fixture
def keyed(account: None) -> Stage:  # noqa: ARG001 - its settings stand in the account's folder
    """A stage whose file names a provider with a key."""
    settings_file("try").write_text(json.dumps(OWN))
    return stage_named("try", OWN)


class Standing(DeployedStage):
    """A stage whose stack is told here, its table and bucket being moto's."""

    def __init__(self, stage: Stage, **outputs: str) -> None:
        super().__init__(stage)
        listed = [{"OutputKey": name, "OutputValue": value} for name, value in outputs.items()]
        self.stack = {"StackStatus": "CREATE_COMPLETE", "Outputs": listed} if outputs else None
        self.owned = {"AWS::DynamoDB::Table": ["table"], "AWS::S3::Bucket": ["bucket"]}

    def resources(self, kind: str) -> list[str]:
        return self.owned[kind]


@pytest.fixture
def standing(stage: Stage) -> Standing:
    """A stage with a table of two rows and a bucket of three versions."""
    boto3.client("dynamodb").create_table(
        TableName="table",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
    )
    for key in ("one", "two"):
        boto3.client("dynamodb").put_item(TableName="table", Item={"pk": {"S": key}})
    make_bucket()
    put_versions(2)
    boto3.client("s3").delete_object(Bucket="bucket", Key="object")
    return Standing(stage, TableName="table", BucketName="bucket")


def make_bucket() -> None:
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    s3.put_bucket_versioning(Bucket="bucket", VersioningConfiguration={"Status": "Enabled"})


def put_versions(number: int) -> None:
    for n in range(number):
        boto3.client("s3").put_object(Bucket="bucket", Key="object", Body=str(n).encode())


def operate(*arguments: str) -> int:
    """Run `python -m ops` with these arguments in this process, and return its exit status."""
    with pytest.raises(SystemExit) as end:
        app(list(arguments))
    return int(end.value.code or 0)
