"""Bedrock as unmodified boto3 clients see it: a running trainer, with buckets and a role in MiniStack."""

import json
from collections.abc import Iterable
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from local.ministack import ACCOUNT, REGION, Aws
from tests.trainer.trainer_process import PROMPT, Trainer, intents, jsonl, until

CONVERSATIONS, PROMPTS = "tuneloop.linear-v1:0", "tuneloop.linear-text-v1:0"
BUCKET, ELSEWHERE = "tuning-data", "tuning-data-elsewhere"
ENDED = ("Completed", "Failed", "Stopped")


class Bedrock:
    """Two clients, the bucket that its jobs read and write, and the role that lets them."""

    def __init__(self, trainer: Trainer, aws: Aws) -> None:
        self.trainer, self.aws = trainer, aws
        self.s3, self.iam = aws.client("s3"), aws.client("iam")
        self.control, self.runtime = self.client("bedrock"), self.client("bedrock-runtime")
        if not self.s3.list_buckets()["Buckets"]:
            self.s3.create_bucket(Bucket=BUCKET)
            self.s3.create_bucket(Bucket=ELSEWHERE, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        self.role = self.make_role("tuning", ["s3:GetObject", "s3:PutObject"])

    def client(self, service: str, region: str = REGION) -> Any:
        config = Config(retries={"max_attempts": 0})
        url = self.trainer.url.removesuffix("/v1")
        keys = {"aws_access_key_id": "anyone", "aws_secret_access_key": "anything"}
        return boto3.client(service, endpoint_url=url, region_name=region, config=config, **keys)  # type: ignore[call-overload]

    def make_role(self, name: str, actions: list[str], *, trusted: str = "bedrock.amazonaws.com") -> str:
        """Make a role as the stack does; MiniStack lets nobody act as a service, so the root may take it on."""
        jobs = f"arn:aws:bedrock:{REGION}:{ACCOUNT}:model-customization-job/*"
        condition = {"StringEquals": {"aws:SourceAccount": ACCOUNT}, "ArnEquals": {"aws:SourceArn": jobs}}
        service = {"Effect": "Allow", "Principal": {"Service": trusted}, "Action": "sts:AssumeRole"}
        root = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}
        trust = {"Version": "2012-10-17", "Statement": [service | {"Condition": condition}, root]}
        allowed = {"Effect": "Allow", "Action": actions, "Resource": f"arn:aws:s3:::{BUCKET}/tuning/*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
        try:
            arn = self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
        except ClientError:
            arn = self.iam.get_role(RoleName=name)["Role"]["Arn"]
        self.iam.put_role_policy(RoleName=name, PolicyName="data", PolicyDocument=policy)
        return str(arn)

    def put(self, key: str, lines: Iterable[Any], bucket: str = BUCKET) -> str:
        self.s3.put_object(Bucket=bucket, Key=key, Body=jsonl(lines))
        return f"s3://{bucket}/{key}"

    def create(self, name: str, lines: Iterable[Any] | str, held_out: Iterable[Any] = (), **more: Any) -> str:
        """Begin a job under a name that is its files' and its model's too, and return its ARN."""
        where = lines if isinstance(lines, str) else self.put(f"tuning/{name}/train.jsonl", lines)
        request: dict[str, Any] = {
            "jobName": name,
            "customModelName": name,
            "roleArn": self.role,
            "baseModelIdentifier": CONVERSATIONS,
            "trainingDataConfig": {"s3Uri": where},
            "outputDataConfig": {"s3Uri": f"s3://{BUCKET}/tuning/out/"},
        }
        if held := list(held_out):
            uri = self.put(f"tuning/{name}/valid.jsonl", held)
            request["validationDataConfig"] = {"validators": [{"s3Uri": uri}]}
        return str(self.control.create_model_customization_job(**request | more)["jobArn"])

    def job(self, arn: str) -> dict[str, Any]:
        return dict(self.control.get_model_customization_job(jobIdentifier=arn))

    def ended(self, arn: str) -> dict[str, Any]:
        """Wait for a job's end."""
        return until(lambda: job if (job := self.job(arn))["status"] in ENDED else None, f"{arn} ends")

    def deploy(self, name: str, model_arn: str, **more: Any) -> str:
        """Deploy a model, wait until it is active, and return the deployment's ARN."""
        deployed = self.control.create_custom_model_deployment(modelDeploymentName=name, modelArn=model_arn, **more)
        arn = str(deployed["customModelDeploymentArn"])
        until(lambda: self.deployment(arn)["status"] == "Active", "the deployment is active")
        return arn

    def deployment(self, arn: str) -> dict[str, Any]:
        return dict(self.control.get_custom_model_deployment(customModelDeploymentIdentifier=arn))

    def ask(self, model: str, question: str, system: str = PROMPT) -> str:
        answer = self.runtime.converse(modelId=model, messages=[said(question)], system=[{"text": system}])
        return str(answer["output"]["message"]["content"][0]["text"])


def said(text: str, role: str = "user") -> dict[str, Any]:
    return {"role": role, "content": [{"text": text}]}


def conversations(count: int, *, seed: int = 0) -> list[dict[str, Any]]:
    """The five topics in Bedrock's format."""
    return [
        {
            "schemaVersion": "bedrock-conversation-2024",
            "system": [{"text": system["content"]}],
            "messages": [said(user["content"]), said(assistant["content"], "assistant")],
        }
        for system, user, assistant in (line["messages"] for line in intents(count, seed=seed))
    ]


def prompts(count: int, *, seed: int = 0) -> list[dict[str, str]]:
    """The five topics as prompts with completions."""
    return [
        {"prompt": user["content"], "completion": assistant["content"]}
        for _, user, assistant in (line["messages"] for line in intents(count, seed=seed))
    ]


def refusal_of(error: ClientError) -> tuple[str, int]:
    """Return the name and the status of a refusal."""
    return error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
