"""`make bootstrap`: what the CDK needs in an account and region before its first deploy there, made once."""

import sys

import boto3

from ops.cdk import bootstrap, in_region
from ops.console import running, say, spoken
from ops.stage_access import caller_identity


def main() -> None:
    """Bootstrap the account and region that the operator is signed in to."""
    account, region = caller_identity()["Account"], boto3.Session().region_name
    command = bootstrap(f"aws://{account}/{region}")
    say(" ".join(part or '""' for part in command))
    running(command, "cdk bootstrap failed", env=in_region())


if __name__ == "__main__":
    sys.exit(spoken(main))
