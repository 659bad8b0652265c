"""Whether a role's trust policy lets Bedrock act for a job: the principal, and conditions on account and job."""

import json
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from trainer.bedrock.arns import account_in

BEDROCK_PRINCIPAL = "bedrock.amazonaws.com"


def trusts_bedrock(policy: Any, job_arn: str) -> bool:
    """Say whether a trust policy lets Bedrock act for a job: its principal, and the conditions on account and ARN."""
    document = json.loads(policy) if isinstance(policy, str) else policy
    context = {"aws:sourceaccount": account_in(job_arn), "aws:sourcearn": job_arn}
    return any(_lets_in(statement, context) for statement in _listed(document["Statement"]))


def _lets_in(statement: Mapping[str, Any], context: Mapping[str, str]) -> bool:
    principal = statement.get("Principal")
    services = _listed(principal.get("Service", [])) if isinstance(principal, dict) else []
    if statement["Effect"] != "Allow" or BEDROCK_PRINCIPAL not in services:
        return False
    return all(
        any(fnmatchcase(context.get(key.lower(), ""), pattern) for pattern in _listed(wanted))
        for condition in statement.get("Condition", {}).values()
        for key, wanted in condition.items()
    )


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
