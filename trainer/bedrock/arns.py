"""Amazon Resource Names (ARNs) of base models, customization jobs, custom models and deployments."""

import secrets
import string

_ALPHABET = string.ascii_lowercase + string.digits
_ID_LENGTH = 12  # of Bedrock's own ids
JOB, MODEL, DEPLOYMENT = "model-customization-job", "custom-model", "custom-model-deployment"


def new_id() -> str:
    """Return a new random id."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_ID_LENGTH))


def base_arn(region: str, base_id: str) -> str:
    """Return the ARN of a base model, which belongs to no account."""
    return f"arn:aws:bedrock:{region}::foundation-model/{base_id}"


def job_arn(region: str, account: str, base_id: str, job_id: str) -> str:
    """Return the ARN of a customization job."""
    return f"arn:aws:bedrock:{region}:{account}:{JOB}/{base_id}/{job_id}"


def model_arn(region: str, account: str, base_id: str, model_id: str) -> str:
    """Return the ARN of a custom model."""
    return f"arn:aws:bedrock:{region}:{account}:{MODEL}/{base_id}/{model_id}"


def deployment_arn(region: str, account: str, deployment_id: str) -> str:
    """Return the ARN of a deployment."""
    return f"arn:aws:bedrock:{region}:{account}:{DEPLOYMENT}/{deployment_id}"


def account_in(arn: str) -> str:
    """Return the account in the ARN of a role or a resource."""
    return arn.split(":")[4]


def region_in(arn: str) -> str:
    """Return the region in the ARN of a resource."""
    return arn.split(":")[3]


def id_in(arn: str) -> str:
    """Return the last part of an ARN's path."""
    return arn.rpartition("/")[2]
