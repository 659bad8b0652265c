"""S3 as a customization job sees it: with the credentials of the job's role, in the job's region only.

AWS clients are configured by the trainer's environment (AWS_ENDPOINT_URL and so on). As on AWS, the role must trust
Bedrock for this job. It must also let the trainer's own credentials assume it, since only AWS itself can act as
Bedrock.
"""

import json
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from trainer.bedrock.arns import account_in, region_in
from trainer.bedrock.errors import invalid
from trainer.storage.bedrock import Customization

BEDROCK_PRINCIPAL = "bedrock.amazonaws.com"


class StorageError(Exception):
    """S3 or the job's role refused access; the message says which of them, with AWS's error code."""


class S3Location(NamedTuple):
    """The bucket and key of an object or a folder."""

    bucket: str
    key: str

    @classmethod
    def of(cls, uri: str) -> "S3Location":
        """Parse `s3://bucket/key`."""
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        return cls(bucket, key)


def check_access(customization: Customization) -> None:
    """Refuse a job whose role doesn't trust Bedrock or can't be assumed, or whose buckets are in another region."""
    try:
        client = s3_of(customization)
    except StorageError as error:
        raise invalid(str(error)) from None
    for name, uri in _uris_of(customization):
        region = _region_of(client, S3Location.of(uri).bucket)
        job_region = region_in(customization.arn)
        if region not in (None, job_region):
            raise invalid(f"{name} names a bucket of the region {region}; the job is of {job_region}.")


def _uris_of(customization: Customization) -> list[tuple[str, str]]:
    request = customization.request
    return [
        ("trainingDataConfig.s3Uri", request["trainingDataConfig"]["s3Uri"]),
        *(("validationDataConfig.validators", uri) for uri in customization.validation_uris),
        ("outputDataConfig.s3Uri", request["outputDataConfig"]["s3Uri"]),
    ]


def _region_of(client: Any, bucket: str) -> str | None:
    """Return a bucket's region, which S3 names even when it denies access; None if it doesn't."""
    try:
        answer = client.head_bucket(Bucket=bucket)
    except ClientError as error:
        answer = error.response
        if answer["ResponseMetadata"]["HTTPStatusCode"] == 404:
            raise invalid("A bucket that the job names does not exist.") from None
    headers: dict[str, str] = answer["ResponseMetadata"]["HTTPHeaders"]
    return headers.get("x-amz-bucket-region")


def s3_of(customization: Customization) -> Any:
    """Return an S3 client with the credentials of a job's role; StorageError if the role can't be assumed."""
    role_arn, region = customization.request["roleArn"], region_in(customization.arn)
    try:
        role_name = role_arn.rpartition("/")[2]
        role = _client("iam", region).get_role(RoleName=role_name)["Role"]
        if not trusts_bedrock(role["AssumeRolePolicyDocument"], customization.arn):
            raise StorageError(f"The role does not trust {BEDROCK_PRINCIPAL} for this job.")
        sts = _client("sts", region)
        session = f"bedrock-{customization.id}"
        credentials = sts.assume_role(RoleArn=role_arn, RoleSessionName=session)["Credentials"]
    except (ClientError, BotoCoreError) as error:
        raise StorageError(f"The job's role could not be taken on: {_code_of(error)}.") from None
    return _client(
        "s3",
        region,
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )


def _client(service: str, region: str, **credentials: str) -> Any:
    import boto3  # noqa: PLC0415 - takes 0.3 s, for which no worker of OpenAI's wire should wait
    from botocore.config import Config  # noqa: PLC0415

    # Bounds a job's wait for an S3 that doesn't answer: three attempts of a minute, then the job fails with the reason.
    config = Config(connect_timeout=3, read_timeout=60, retries={"max_attempts": 3, "mode": "standard"})
    return boto3.client(service, region_name=region, config=config, **credentials)  # type: ignore[call-overload]


def fetch(client: Any, uri: str, target: Path) -> None:
    """Download an object; StorageError if S3 refuses."""
    location = S3Location.of(uri)
    try:
        client.download_file(location.bucket, location.key, str(target))
    except (ClientError, BotoCoreError) as error:
        raise StorageError(f"It could not be read from S3: {_code_of(error)}.") from None


def put(client: Any, folder_uri: str, path: str, content: bytes) -> str:
    """Write a CSV object below a folder and return its URI; StorageError if S3 refuses."""
    uri = f"{folder_uri.rstrip('/')}/{path}"
    location = S3Location.of(uri)
    try:
        client.put_object(Bucket=location.bucket, Key=location.key, Body=content, ContentType="text/csv")
    except (ClientError, BotoCoreError) as error:
        raise StorageError(f"The output could not be written to S3: {_code_of(error)}.") from None
    return uri


def _code_of(error: Exception) -> str:
    """Return AWS's error code, e.g. `AccessDenied`, or the exception's name if AWS didn't answer."""
    if isinstance(error, ClientError):
        code = str(error.response["Error"].get("Code", ""))
        return {"403": "AccessDenied", "404": "NoSuchKey"}.get(code, code)
    return type(error).__name__


def trusts_bedrock(policy: Any, job_arn: str) -> bool:
    """Whether a trust policy lets Bedrock assume the role for a job, judging its principal and conditions."""
    document = json.loads(policy) if isinstance(policy, str) else policy
    context = {"aws:sourceaccount": account_in(job_arn), "aws:sourcearn": job_arn}
    return any(_allows_bedrock(statement, context) for statement in _as_list(document["Statement"]))


def _allows_bedrock(statement: Mapping[str, Any], context: Mapping[str, str]) -> bool:
    principal = statement.get("Principal")
    services = _as_list(principal.get("Service", [])) if isinstance(principal, dict) else []
    if statement["Effect"] != "Allow" or BEDROCK_PRINCIPAL not in services:
        return False
    return all(
        any(fnmatchcase(context.get(key.lower(), ""), pattern) for pattern in _as_list(patterns))
        for condition in statement.get("Condition", {}).values()
        for key, patterns in condition.items()
    )


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
