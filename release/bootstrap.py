"""`make bootstrap`: what the CDK needs in an account and region before its first deploy there, made once."""

import sys

import boto3

from release.cdk import bootstrap, in_region
from release.deployed import caller_identity
from release.screen import running, say, spoken


def main() -> None:
    """Bootstrap the account and region that the operator is signed in to."""
    account, region = caller_identity()["Account"], boto3.Session().region_name
    command = bootstrap(f"aws://{account}/{region}")
    say(" ".join(part or '""' for part in command))
    running(command, "cdk bootstrap failed", env=in_region())


if __name__ == "__main__":
    sys.exit(spoken(main))
