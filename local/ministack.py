"""MiniStack, the AWS emulator that the stack is deployed to: one process on a free port, with IAM enforced.

MiniStack runs the functions in its own interpreter, so they find the packages of this environment. It passes its own
environment variables on to them too, so it gets a short list instead of ours: nobody's AWS profile, proxy or LOG_LEVEL
gets into a test.
"""

import os
import secrets
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3

from local.process import Child, answers, free_port

ACCOUNT = "000000000000"
REGION = "us-east-1"
START_TIMEOUT_S = 30  # it answers after a second or two; one that doesn't by then never will


@dataclass(frozen=True)
class Aws:
    """The address of one MiniStack, and its administrator's credentials (the account's root)."""

    port: int
    access_key_id: str = "tuneloop-local"
    secret_access_key: str = field(default_factory=lambda: secrets.token_hex(20), repr=False)

    @property
    def url(self) -> str:
        """The endpoint of every service; an IP address, for which boto3 puts bucket names into the path of a URL."""
        return f"http://127.0.0.1:{self.port}"

    def environment(self) -> dict[str, str]:
        """The variables by which the CDK, boto3 and the `tuneloop` command act as MiniStack's administrator.

        They keep all three from the user's own profiles, credentials files and instance metadata.
        """
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self, service: str) -> Any:
        """A boto3 client with the administrator's credentials."""
        return boto3.client(  # type: ignore[call-overload]
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret_access_key,
        )


def start_ministack(directory: Path, python: str = sys.executable) -> tuple[Aws, Child]:
    """Start MiniStack in an interpreter, with its files below `directory`, and return once it answers.

    ProcessError where it ends, or does not answer within `START_TIMEOUT_S`.
    """
    aws = Aws(free_port())
    home = directory / "ministack"
    home.mkdir(parents=True)
    child = Child(
        "MiniStack",
        [python, "-m", "ministack.app"],
        log=directory / "logs" / "ministack.log",
        env=_environment(aws, home),
        cwd=home,
    )
    try:
        child.wait_until(lambda: answers(f"{aws.url}/_ministack/health"), START_TIMEOUT_S)
    except BaseException:
        child.stop()
        raise
    return aws, child


def _environment(aws: Aws, home: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "TMPDIR": str(home),  # functions are unpacked and run below it
        "AUTH": "true",
        "GATEWAY_PORT": str(aws.port),
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "MINISTACK_REGION": REGION,
        "AWS_ACCESS_KEY_ID": aws.access_key_id,
        "AWS_SECRET_ACCESS_KEY": aws.secret_access_key,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "DOCKER_HOST": f"unix://{os.devnull}.sock",  # otherwise MiniStack looks for a container engine, and uses it
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
    }
