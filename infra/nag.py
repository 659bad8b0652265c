"""The findings of cdk-nag's AwsSolutions rules that we accept, each with its reason.

A test compares this list with the findings in the production template: a finding that isn't here fails the test, and so
does an entry here without a finding. Rights on a prefix are taken from the table of functions, so that a new row needs
no new entry, and a right that no row grants is a finding.
"""

from collections.abc import Iterator
from typing import NamedTuple

from aws_cdk import aws_lambda as lambda_

from infra.bedrock import BASE, RESOURCE_KINDS
from infra.functions import FUNCTIONS, FunctionSpec, OnBedrock, objects_at
from infra.lambdas import RUNTIME
from tuneloop.domain.training.providers import key_parameter, webhook_parameter

NO_ACCESS_LOGS = (
    "Only this stack's roles and the links that they sign reach the bucket; a log of each request needs a second "
    "bucket and is paid per object. CloudTrail's data events answer who read what, where somebody has to know."
)
IS_A_DEAD_LETTER_QUEUE = (
    "It is the dead-letter queue of rules, asynchronous calls and the stream, which the rule can't see: "
    "it knows only those that another queue's redrive policy names."
)
KEY_IS_CHECKED_INSIDE = (
    "Each function checks the API key itself before it reads anything else: an authorizer's refusals can't have the "
    "API's error shape, and its cache would outlive a revocation. A test walks every route without a key."
)
ONE_PREFIX = "An object right is a key prefix; this one is what the function's row of the table says, and no wider."
MADE_LATER = "Jobs, models and deployments get their ids from Bedrock as they are made, base models are chosen by run."
LISTS = "Bedrock's lists have no resource that a right could name; they tell names and states, and change nothing."
ONE_STREAM = "The stream's ARN ends in a time that is not known before it is made; the right is to this table's only."
EACH_PROVIDER_ITS_OWN = (
    "Which providers a stage has stands in its table, where they are added without a deploy; the right is to their "
    "keys or to the secrets of their webhooks, as the function's row says, and to no other parameter."
)
TESTED_RUNTIME = "The runtime is the Python that deploys, which is the one that the tests ran with."


class Accepted(NamedTuple):
    """A finding of a rule on one resource, by its path in the stack, and the reason to accept it."""

    path: str
    rule: str
    reason: str


def accepted_findings() -> list[Accepted]:
    """Every finding that we accept in any stage."""
    return [
        Accepted("State/Bucket", "AwsSolutions-S1", NO_ACCESS_LOGS),
        Accepted("Queues/Failures", "AwsSolutions-SQS3", IS_A_DEAD_LETTER_QUEUE),
        *(finding for spec in FUNCTIONS for finding in _function_findings(spec)),
        *(
            Accepted(f"Api/Http/{method}{path.replace('/', '--')}", "AwsSolutions-APIG4", KEY_IS_CHECKED_INSIDE)
            for spec in FUNCTIONS
            for method, path in spec.gateway_routes
        ),
        *(
            Accepted("Api/Unknown", "AwsSolutions-APIG4", KEY_IS_CHECKED_INSIDE)
            for spec in FUNCTIONS
            if spec.unknown_routes
        ),
    ]


def accepted_findings_on_bedrock() -> list[Accepted]:
    """The findings that we accept besides in a stage that trains on Bedrock."""
    roles = [("Bedrock", OnBedrock(reads=("training/",), writes=("training-output/",)))]
    roles += [(f"Functions/{spec.construct_id}", spec.bedrock) for spec in FUNCTIONS]
    return [
        Accepted(f"{construct}/{'JobRole' if construct == 'Bedrock' else 'Role'}", rule, reason)
        for construct, rights in roles
        for rule, reason in _bedrock_findings(rights)
    ]


def _bedrock_findings(rights: OnBedrock) -> Iterator[tuple[str, str]]:
    for prefix in dict.fromkeys((*rights.reads, *rights.writes, *rights.deletes)):
        yield f"AwsSolutions-IAM5[Resource::<State/Bucket.Arn>/{prefix}*]", ONE_PREFIX
    for kind in sorted({kind for action in rights.actions for kind in RESOURCE_KINDS[action]}):
        account = "" if kind == BASE else "<AWS::AccountId>"
        arn = f"arn:<AWS::Partition>:bedrock:<AWS::Region>:{account}:{kind}/*"
        yield f"AwsSolutions-IAM5[Resource::{arn}]", MADE_LATER
    if any(not RESOURCE_KINDS[action] for action in rights.actions):
        yield "AwsSolutions-IAM5[Resource::*]", LISTS


def _function_findings(spec: FunctionSpec) -> Iterator[Accepted]:
    construct = f"Functions/{spec.construct_id}"
    for place in dict.fromkeys((*spec.reads, *spec.writes, *spec.deletes)):
        rule = f"AwsSolutions-IAM5[Resource::<State/Bucket.Arn>/{objects_at(place)}]"
        yield Accepted(f"{construct}/Role", rule, ONE_PREFIX)
    secrets = [key_parameter("prod", "*")] * spec.provider_key + [webhook_parameter("prod", "*")] * spec.webhook_secrets
    for parameter in secrets:
        arn = f"arn:<AWS::Partition>:ssm:<AWS::Region>:<AWS::AccountId>:parameter{parameter}"
        yield Accepted(f"{construct}/Role", f"AwsSolutions-IAM5[Resource::{arn}]", EACH_PROVIDER_ITS_OWN)
    if spec.stream:
        yield Accepted(f"{construct}/Role", "AwsSolutions-IAM5[Resource::<State/Table.Arn>/stream/*]", ONE_STREAM)
    if RUNTIME.name != _newest_runtime():
        yield Accepted(f"{construct}/Function", "AwsSolutions-L1", TESTED_RUNTIME)


def _newest_runtime() -> str:
    names = [runtime.name for runtime in lambda_.Runtime.ALL if runtime.name.startswith("python")]
    return max(names, key=lambda name: [int(part) for part in name.removeprefix("python").split(".")])
