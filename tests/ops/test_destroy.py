"""Taking a stage down: what is lost is said and has to be agreed to, all versions go, and it can be begun again."""

from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

import ops.destroy
from infra.stage import Stage, stage_named
from ops.console import CommandRefused, count_of
from ops.destroy import count_rows, describe_losses, destroy_stage, empty_bucket, refuse_to_lose_data
from ops.pause import halted_parameter
from tests.ops.conftest import OWN, Standing, make_bucket, put_versions

pytestmark = pytest.mark.usefixtures("account")


class Breaking:
    """S3 as it is, but gone away after a number of deletions."""

    def __init__(self, deletions: int) -> None:
        self._s3: Any = boto3.client("s3")
        self._left = deletions

    def list_object_versions(self, **request: Any) -> Any:
        return self._s3.list_object_versions(**request)

    def delete_objects(self, **request: Any) -> Any:
        if not self._left:
            raise ClientError({"Error": {"Code": "SlowDown", "Message": "later"}}, "DeleteObjects")
        self._left -= 1
        return self._s3.delete_objects(**request)


def left() -> int:
    pages = boto3.client("s3").get_paginator("list_object_versions").paginate(Bucket="bucket")
    return sum(len(page.get("Versions", [])) + len(page.get("DeleteMarkers", [])) for page in pages)


def test_all_versions_and_delete_markers_go_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ops.destroy, "DELETE_BATCH", 10)
    make_bucket()
    put_versions(25)
    boto3.client("s3").delete_object(Bucket="bucket", Key="object")

    assert empty_bucket(boto3.client("s3"), "bucket") == 26

    assert left() == 0


def test_emptying_that_broke_off_goes_on_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ops.destroy, "DELETE_BATCH", 10)
    make_bucket()
    put_versions(25)
    with pytest.raises(ClientError):
        empty_bucket(Breaking(1), "bucket")
    assert left() == 15

    assert empty_bucket(boto3.client("s3"), "bucket") == 15

    assert left() == 0


def test_a_bucket_or_table_that_is_gone_already_is_passed_over() -> None:
    assert empty_bucket(boto3.client("s3"), "bucket") == 0
    assert count_rows(boto3.client("dynamodb"), "table") == 0


def test_what_will_be_lost_is_counted(standing: Standing) -> None:
    assert list(describe_losses(standing)) == ["2 rows in table table", "3 object versions in bucket bucket"]


def test_nobody_counts_for_ever() -> None:
    assert count_of(1, "row") == "1 row"
    assert count_of(99_999, "row") == "99,999 rows"
    assert count_of(100_000, "row") == "more than 100,000 rows"


def test_without_the_stage_s_name_nothing_is_removed(standing: Standing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ops.destroy, "DeployedStage", lambda _: standing)

    with pytest.raises(CommandRefused, match="name was not typed"):
        destroy_stage(standing.stage, confirm="prod", with_key=True)

    assert left() == 3


def test_production_is_refused_with_the_commands_to_do_it_by_hand() -> None:
    prod = Standing(stage_named("prod", OWN), ApiUrl="https://api.example/")

    with pytest.raises(CommandRefused) as refused:
        refuse_to_lose_data(prod)

    for part in (
        "--table-name table",
        "the bucket bucket",
        "--no-enable-termination-protection",
        "/tuneloop/prod/providers/own/key",
    ):
        assert part in str(refused.value)


def test_a_failed_stack_without_outputs_is_refused_with_table_and_bucket() -> None:
    prod = Standing(stage_named("prod", {}))
    prod.stack = {"StackStatus": "ROLLBACK_COMPLETE", "EnableTerminationProtection": True}

    with pytest.raises(CommandRefused, match=r"--table-name table\n(.*\n)*.*bucket bucket "):
        refuse_to_lose_data(prod)


def test_production_that_is_not_deployed_is_said_to_be_so() -> None:
    with pytest.raises(CommandRefused, match="There is no stack tuneloop-prod"):
        refuse_to_lose_data(Standing(stage_named("prod", {})))


def test_a_stack_that_somebody_protected_is_refused_too(standing: Standing) -> None:
    assert standing.stack
    standing.stack["EnableTerminationProtection"] = True

    with pytest.raises(CommandRefused, match="keeps its data"):
        refuse_to_lose_data(standing)


@pytest.mark.parametrize("with_key", [True, False])
def test_the_key_of_a_stage_that_is_gone_is_removed_if_asked_for(
    keyed: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, with_key: bool
) -> None:
    monkeypatch.setattr(ops.destroy, "DeployedStage", Standing)
    ssm = boto3.client("ssm")
    ssm.put_parameter(Name=keyed.key_parameter, Value="sk-secret", Type="SecureString")

    destroy_stage(keyed, confirm="", with_key=with_key)

    said = capsys.readouterr().out
    assert "There is no stack tuneloop-try" in said
    assert "sk-secret" not in said
    assert bool(ssm.describe_parameters()["Parameters"]) is not with_key


def test_what_stop_wrote_down_of_a_stage_goes_with_it(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ops.destroy, "DeployedStage", Standing)
    boto3.client("ssm").put_parameter(Name=halted_parameter(Standing(stage)), Value="{}", Type="String")

    destroy_stage(stage, confirm="", with_key=False)

    assert not boto3.client("ssm").describe_parameters()["Parameters"]
