"""The provider's key goes from a prompt or a pipe into a SecureString, and is never shown."""

import io
import sys

import boto3
import pytest

from infra.stage import Stage
from release.provider_key import main, read_key
from release.screen import Refusal

KEY = "sk-a-secret"


def give(monkeypatch: pytest.MonkeyPatch, piped: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(piped))
    monkeypatch.setattr(sys, "argv", ["provider_key", "--stage", "try"])


def stored(stage: Stage) -> tuple[str, str, int]:
    found = boto3.client("ssm").get_parameter(Name=stage.key_parameter, WithDecryption=True)["Parameter"]
    return found["Value"], found["Type"], found["Version"]


def test_a_piped_key_is_stored_encrypted_and_not_shown(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    give(monkeypatch, f"{KEY}\n")

    main()

    assert stored(stage) == (KEY, "SecureString", 1)
    shown = capsys.readouterr()
    assert KEY not in shown.out + shown.err


def test_a_new_key_takes_the_old_one_s_place(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch, "sk-old\n")
    main()
    give(monkeypatch, f"{KEY}\n")

    main()

    assert stored(stage) == (KEY, "SecureString", 2)


def test_a_key_that_lay_there_in_plain_text_is_replaced_by_an_encrypted_one(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    boto3.client("ssm").put_parameter(Name=stage.key_parameter, Value=KEY, Type="String")
    give(monkeypatch, f"{KEY}\n")

    main()

    assert stored(stage) == (KEY, "SecureString", 1)  # made anew: SSM doesn't change a parameter's type


@pytest.mark.parametrize("piped", ["", "\n", "two words\n", "sk-ü\n", "x" * 5000])
def test_what_can_t_be_a_key_is_refused_without_quoting_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, piped: str
) -> None:
    give(monkeypatch, piped)

    with pytest.raises(Refusal) as refused:
        read_key(stage)

    assert not piped.strip() or piped.strip() not in str(refused.value)
