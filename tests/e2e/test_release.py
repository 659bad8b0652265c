"""A release from an empty account to an empty account: built code deployed, given its key, tried, and taken down.

MiniStack stands for AWS. Its interpreter has none of our libraries, so the functions run on the built layers or not at
all; the bootstrap roles are left out, as MiniStack's IAM turns them down.
"""

from collections.abc import Iterator

import pytest

from infra.functions import FUNCTIONS
from local.stack import ROOT
from tests.ops.trial import Trial, trial


@pytest.fixture(scope="module")
def account() -> Iterator[Trial]:
    with trial(ROOT / "build" / "trial") as empty:
        yield empty


def test_a_stage_is_deployed_tried_and_destroyed(account: Trial) -> None:
    status, said = account.run("deploy", "--yes")
    assert (status, "Nothing was made" in said) == (1, True), said
    status, said = account.run("bootstrap", stage="")
    assert (status, "bootstrapped" in said) == (0, True), said

    status, said = account.run("deploy", "--yes")
    assert status == 0, said
    assert "make provider-key STAGE=try" in said
    account.open_the_door()
    status, said = account.run("provider-key", typed=f"{account.trainer.api_key}\n")
    assert (status, account.trainer.api_key in said) == (0, False), said
    status, said = account.run("smoke", "--yes")
    assert status == 0, said
    assert "Stage try works." in said
    assert all(f"  {spec.name} " in said for spec in FUNCTIONS)

    assert account.run("destroy", "--confirm", "prod")[0] == 1
    status, said = account.run("destroy", "--confirm", "try", "--with-key")
    assert status == 0, said
    assert not account.aws.client("dynamodb").list_tables()["TableNames"]
    assert [b["Name"] for b in account.aws.client("s3").list_buckets()["Buckets"] if "tuneloop" in b["Name"]] == []
    parameters = account.aws.client("ssm").describe_parameters()["Parameters"]
    assert [each["Name"] for each in parameters if "tuneloop" in each["Name"]] == []
    status, said = account.run("destroy", "--confirm", "try")
    assert (status, "There is no stack tuneloop-try" in said) == (0, True), said
