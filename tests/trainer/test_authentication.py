"""Who may call the trainer, and what ends it."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from openai import AuthenticationError

from tests.trainer.trainer_process import BASE, REPOSITORY, Trainer, client_of, until

KEY = "sk-right"
SIGNED = (
    "AWS4-HMAC-SHA256 Credential=AKIA/20261201/us-east-1/bedrock/aws4_request, "
    f"SignedHeaders=host, Signature={'0' * 64}"
)


def get(url: str, authorizations: list[str]) -> tuple[int, bytes]:
    """Status and body of a GET with just these Authorization headers, which no HTTP library tidies up."""
    there = urlsplit(url)
    with closing(HTTPConnection(there.netloc)) as connection:
        connection.putrequest("GET", there.path)
        for value in authorizations:
            connection.putheader("authorization", value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.read()


@pytest.fixture(scope="module")
def guarded(make_trainer: Callable[..., Trainer]) -> Trainer:
    trainer = make_trainer("--api-key", KEY)
    trainer.start()
    return trainer


def test_only_the_right_key_may_call(guarded: Trainer) -> None:
    with client_of(guarded.url, KEY) as right, client_of(guarded.url, "sk-wrong") as wrong:
        assert right.models.list().data
        question = [{"role": "user", "content": "hello"}]
        for call in (wrong.models.list, lambda: wrong.chat.completions.create(model=BASE, messages=question)):  # type: ignore[arg-type]
            with pytest.raises(AuthenticationError) as refused:
                call()
            assert refused.value.code == "invalid_api_key"


@pytest.mark.parametrize(
    "sent",
    [
        [],
        [""],
        [" "],
        ["Bearer"],
        ["Bearer "],
        ["Bearer    "],
        [KEY],
        [f"Basic {KEY}"],
        [f"Bearer{KEY}"],
        [f"Bearer {KEY}x"],
        [f"Bearer {KEY[:-1]}"],
        [f"Bearer {KEY.upper()}"],
        [f"Bearer {KEY} {KEY}"],
        [f"Bearer {KEY}, Bearer {KEY}"],
        [f"Bearer {KEY}", f"Bearer {KEY}"],
        ["", f"Bearer {KEY}"],
        [f"Bearer {KEY}", ""],
        ["Bearer \xe9"],
        ["Bearer None"],
    ],
)
def test_whatever_is_not_the_key_is_refused(guarded: Trainer, sent: list[str]) -> None:
    status, body = get(f"{guarded.url}/models", sent)

    assert status == 401
    assert json.loads(body)["error"]["code"] == "invalid_api_key"


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR", "Bearer ", "Bearer  "])
def test_the_scheme_counts_in_any_case(guarded: Trainer, scheme: str) -> None:
    status, _ = get(f"{guarded.url}/models", [f"{scheme} {KEY}"])

    assert status == 200


@pytest.mark.parametrize("sent", [[], [""], [f"Bearer {KEY}"], ["Bearer "], [SIGNED, SIGNED], ["", SIGNED]])
def test_bedrock_s_wire_takes_one_signature_and_nothing_else(guarded: Trainer, sent: list[str]) -> None:
    url = f"{guarded.url.removesuffix('/v1')}/foundation-models"

    status, _ = get(url, sent)

    assert status == 403
    assert get(url, [SIGNED])[0] == 200


@pytest.mark.parametrize("key", ["", " ", "two words", "sk-\u00e9", "a\tb"])
def test_a_key_that_nobody_could_send_is_no_key_to_start_with(tmp_path: Path, key: str) -> None:
    command = [sys.executable, "-m", "trainer", "--port", "0", "--data", str(tmp_path / "data"), "--api-key", key]

    environment = {"PYTHONPATH": "shared:."}
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "argument --api-key: it must be one word of printable ASCII characters" in done.stderr


@pytest.mark.parametrize("ends", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_trainer_that_a_script_put_in_the_background_ends(tmp_path: Path, ends: signal.Signals) -> None:
    log = tmp_path / "log"
    command = f"{sys.executable} -m trainer --port 0 --data {tmp_path / 'data'} > {log} & echo $!; wait"

    with subprocess.Popen(
        ["sh", "-c", command], cwd=REPOSITORY, env={"PYTHONPATH": "shared:."}, stdout=subprocess.PIPE, text=True
    ) as shell:
        assert shell.stdout is not None
        trainer = int(shell.stdout.readline())
        until(lambda: "base models" in log.read_text() if log.exists() else None, "the trainer starts")
        subprocess.run(["kill", f"-{ends.value}", str(trainer)], check=True)

        assert shell.wait(60) == 0
