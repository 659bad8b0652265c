"""The provider's key goes from a prompt or a pipe into a SecureString, and is never shown."""

import io
import sys

import boto3
import pytest
from botocore.exceptions import ClientError

from infra.stage import Stage, settings_file
from ops.console import CommandRefused, aws_error_text
from ops.provider_key import read_key
from tests.ops.conftest import operate

pytestmark = pytest.mark.usefixtures("account")

KEY = "sk-a-secret"
NOT_SIGNED_IN = {
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "AWS_EC2_METADATA_DISABLED": "true",
}


def give(monkeypatch: pytest.MonkeyPatch, piped: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(piped))


def store_key() -> int:
    return operate("provider-key", "--stage", "try")


def stored(stage: Stage) -> tuple[str, str, int]:
    found = boto3.client("ssm").get_parameter(Name=stage.key_parameter, WithDecryption=True)["Parameter"]
    return found["Value"], found["Type"], found["Version"]


def test_a_piped_key_is_stored_encrypted_and_not_shown(
    keyed: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    give(monkeypatch, f"{KEY}\n")

    assert store_key() == 0

    assert stored(keyed) == (KEY, "SecureString", 1)
    shown = capsys.readouterr()
    assert KEY not in shown.out + shown.err


def test_a_new_key_takes_the_old_one_s_place(keyed: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch, "sk-old\n")
    assert store_key() == 0
    give(monkeypatch, f"{KEY}\n")

    assert store_key() == 0

    assert stored(keyed) == (KEY, "SecureString", 2)


def test_a_key_in_plain_text_is_replaced_by_an_encrypted_one(keyed: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    boto3.client("ssm").put_parameter(Name=keyed.key_parameter, Value=KEY, Type="String")
    give(monkeypatch, f"{KEY}\n")

    assert store_key() == 0

    assert stored(keyed) == (KEY, "SecureString", 1)  # made anew: SSM doesn't change a parameter's type


@pytest.mark.parametrize("piped", ["", "\n", "two words\n", "sk-ü\n", "x" * 5000])
def test_what_can_t_be_a_key_is_refused_without_quoting_it(
    keyed: Stage, monkeypatch: pytest.MonkeyPatch, piped: str
) -> None:
    give(monkeypatch, piped)

    with pytest.raises(CommandRefused) as refused:
        read_key(keyed)

    assert not piped.strip() or piped.strip() not in str(refused.value)


@pytest.mark.usefixtures("keyed")
def test_whoever_is_not_signed_in_is_told_how_before_a_key_is_taken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    give(monkeypatch, f"{KEY}\n")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name, value in NOT_SIGNED_IN.items():
        monkeypatch.setenv(name, value)

    assert store_key() == 1

    assert sys.stdin.readline().strip() == KEY  # nobody has read it
    [said] = capsys.readouterr().err.splitlines()
    assert said.startswith("You are not signed in to AWS: sign in (")
    assert said.endswith(".")


@pytest.mark.usefixtures("keyed")
def test_a_region_that_nobody_named_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    give(monkeypatch, f"{KEY}\n")
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)

    assert store_key() == 1

    [said] = capsys.readouterr().err.splitlines()
    assert "AWS_REGION=" in said
    assert said.endswith(".")


def test_credentials_that_have_expired_are_told_as_such() -> None:
    error = ClientError({"Error": {"Code": "ExpiredToken", "Message": "The token is expired"}}, "GetCallerIdentity")

    assert "does not take these credentials (ExpiredToken): sign in" in aws_error_text(error)
    assert aws_error_text(ClientError({"Error": {"Code": "Other", "Message": "no"}}, "PutItem")).startswith("AWS: ")


@pytest.mark.parametrize("is_written", [True, False])
def test_a_bedrock_stage_needs_no_key_and_is_told_where_others_are_named(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, is_written: bool
) -> None:
    if is_written:
        settings_file("try").write_text('{"provider": "bedrock", "base_model": "amazon.nova-micro-v1:0"}')
    give(monkeypatch, f"{KEY}\n")

    assert store_key() == 0

    said = capsys.readouterr().out
    assert "no key is needed" in said
    assert ("try.json" in said) is not is_written  # its name may be a slip
    with pytest.raises(ClientError):
        stored(stage)
