"""The provider beneath the functions, on either of its wires, and what of some runs lies there at the end."""

import json
from collections import Counter
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, NamedTuple

import boto3
from openai import OpenAI

from local.ministack import ACCOUNT, REGION, Aws
from local.stack import ON_BEDROCK
from local.trainer import Trainer
from tests.world import BUCKET, ENVIRONMENT
from tuneloop.providers.catalog import ANY_MODEL
from tuneloop.providers.catalog import _catalog as listed

USD_PER_1M = Decimal(5)  # as training gpt-4.1-mini did
ROLE = "tuneloop-jobs"
FOLDERS = ("training", "training-output")


class Left(NamedTuple):
    """What runs have at their provider: jobs that were not stopped, tokens and files beyond the first, deployments."""

    jobs: int
    extra_tokens: int
    extra_files: int
    deployments: int


class Wire(NamedTuple):
    """A wire of the trainer's: the functions' settings for it, whose prices count, and what runs have left there."""

    settings: Callable[[Aws, Trainer], dict[str, str]]
    prices: tuple[str, str]
    left: Callable[[Aws, Trainer, set[str]], Left]


def on_openai(aws: Aws, trainer: Trainer) -> dict[str, str]:
    """OpenAI's wire, by a key that lies in SSM."""
    name = ENVIRONMENT["TUNELOOP_PROVIDER_KEY_PARAMETER"]
    aws.client("ssm").put_parameter(Name=name, Value=trainer.api_key, Type="SecureString", Overwrite=True)
    return {"TUNELOOP_PROVIDER_BASE_URL": trainer.base_url}


def left_at_openai(_: Aws, trainer: Trainer, runs: set[str]) -> Left:
    """By the lists of the unmodified SDK."""
    with OpenAI(base_url=trainer.base_url, api_key=trainer.api_key, max_retries=0) as client:
        mine = [job for job in client.fine_tuning.jobs.list() if (job.metadata or {}).get("tuneloop_run") in runs]
        files = _named((file.filename for file in client.files.list()), runs)
    return Left(
        jobs=sum(job.status != "cancelled" for job in mine),
        extra_tokens=sum(sorted(job.trained_tokens or 0 for job in mine)[:-1]),
        extra_files=files.total() - len(files),
        deployments=0,
    )


def on_bedrock(aws: Aws, trainer: Trainer) -> dict[str, str]:
    """Bedrock's wire, with the role that the stack makes for its jobs."""
    wires = {f"AWS_ENDPOINT_URL_{name}": trainer.bedrock_url for name in ("BEDROCK", "BEDROCK_RUNTIME")}
    base = {"TUNELOOP_PROVIDER": "bedrock", "TUNELOOP_BASE_MODEL": ON_BEDROCK, "TUNELOOP_BEDROCK": "true"}
    return base | wires | {"TUNELOOP_BEDROCK_ROLE_ARN": _role(aws)}


def left_at_bedrock(aws: Aws, trainer: Trainer, runs: set[str]) -> Left:
    """By the lists of an unmodified boto3 client; nobody tells there how many tokens were trained."""
    client = boto3.client(
        "bedrock",
        endpoint_url=trainer.bedrock_url,
        region_name=REGION,
        aws_access_key_id=aws.access_key_id,
        aws_secret_access_key=aws.secret_access_key,
    )
    jobs = _pages(client, "list_model_customization_jobs", "modelCustomizationJobSummaries")
    made = _pages(client, "list_custom_models", "modelSummaries")
    served = _pages(client, "list_custom_model_deployments", "modelDeploymentSummaries")
    models = {model["modelArn"] for model in made if _is_of(model["modelName"], runs)}
    versions = aws.client("s3").get_paginator("list_object_versions").paginate(Bucket=BUCKET, Prefix="training/")
    files = _named((each["Key"] for page in versions for each in page.get("Versions", [])), runs)
    return Left(
        jobs=sum(job["status"] != "Stopped" and _is_of(job["jobName"], runs) for job in jobs),
        extra_tokens=0,
        extra_files=files.total() - len(files),
        deployments=sum(deployment["modelArn"] in models for deployment in served),
    )


WIRES = {
    "openai": Wire(on_openai, (ENVIRONMENT["TUNELOOP_PROVIDER"], ANY_MODEL), left_at_openai),
    "bedrock": Wire(on_bedrock, ("bedrock", ON_BEDROCK), left_at_bedrock),
}


def charge(provider: str, base_model: str) -> None:
    """Let the trainer cost what a provider takes, so that budgets have something to count."""
    free = listed()[provider].models
    free[base_model] = free[base_model].model_copy(update={"training_per_1m": USD_PER_1M})


def _named(names: Iterable[str], runs: set[str]) -> Counter[str]:
    """How often each file of these runs is there."""
    found = Counter(name for name in names if _is_of(name, runs))
    assert found, "a run that has ended has files at its provider"
    return found


def _is_of(name: str, runs: set[str]) -> bool:
    return any(run in name for run in runs)


def _pages(client: Any, operation: str, rows: str) -> list[dict[str, Any]]:
    return [row for page in client.get_paginator(operation).paginate() for row in page[rows]]


def _role(aws: Aws) -> str:
    """The role of Bedrock's jobs; MiniStack lets nobody act as a service, so the account may take it on too."""
    iam = aws.client("iam")
    service = {"Principal": {"Service": "bedrock.amazonaws.com"}}
    account = {"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}
    trust = [{"Effect": "Allow", "Action": "sts:AssumeRole", **whose} for whose in (service, account)]
    role = iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=_policy(*trust))["Role"]["Arn"]
    places = [f"arn:aws:s3:::{BUCKET}/{folder}/*" for folder in FOLDERS]
    allowed = {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": places}
    iam.put_role_policy(RoleName=ROLE, PolicyName="files", PolicyDocument=_policy(allowed))
    return str(role)


def _policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})
