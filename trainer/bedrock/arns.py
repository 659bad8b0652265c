"""Amazon Resource Names of what Bedrock keeps: jobs, custom models and deployments, with ids of 12 characters."""

import secrets
import string

_ALPHABET = string.ascii_lowercase + string.digits
JOB, MODEL, DEPLOYMENT = "model-customization-job", "custom-model", "custom-model-deployment"


def new_id() -> str:
    """Make an id nobody has."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(12))


def base_arn(region: str, base_id: str) -> str:
    """Name a base model, which belongs to no account."""
    return f"arn:aws:bedrock:{region}::foundation-model/{base_id}"


def job_arn(region: str, account: str, base_id: str, job_id: str) -> str:
    """Name a customization job."""
    return f"arn:aws:bedrock:{region}:{account}:{JOB}/{base_id}/{job_id}"


def model_arn(region: str, account: str, base_id: str, model_id: str) -> str:
    """Name a custom model."""
    return f"arn:aws:bedrock:{region}:{account}:{MODEL}/{base_id}/{model_id}"


def deployment_arn(region: str, account: str, deployment_id: str) -> str:
    """Name a deployment of a custom model."""
    return f"arn:aws:bedrock:{region}:{account}:{DEPLOYMENT}/{deployment_id}"


def account_in(arn: str) -> str:
    """Return the account of a role's or a resource's ARN."""
    return arn.split(":")[4]


def region_in(arn: str) -> str:
    """Return the region of a resource's ARN."""
    return arn.split(":")[3]


def id_in(arn: str) -> str:
    """Return the last part of an ARN's path."""
    return arn.rpartition("/")[2]
