"""Each role allows what its row of the table says: nothing more, nothing less."""

from collections import Counter
from fnmatch import fnmatch

import pytest

from infra.functions import FUNCTIONS, FunctionSpec, objects_at
from tests.infra.conftest import OWN, Synthesize
from tests.infra.machinery import TRACER, machinery_of, user_of
from tests.infra.rights import construct_of, counted, granted
from tests.infra.template import Template, as_list
from tuneloop.store.objects.export_columns import fingerprints_key

pytestmark = pytest.mark.xdist_group("infra")

# Where AWS asks for one: an object right is a key prefix, ListStreams asks about a table.
WILDCARDS_BY_ACTION = {
    "ssm:GetParameter": "arn:<AWS::Partition>:ssm:<AWS::Region>:<AWS::AccountId>:parameter/tuneloop/",
    "s3:GetObject": "State/Bucket/",
    "s3:GetObjectVersion": "State/Bucket/",
    "s3:PutObject": "State/Bucket/",
    "s3:DeleteObjectVersion": "State/Bucket/",
    "dynamodb:DescribeStream": "State/Table/stream/",
    "dynamodb:GetRecords": "State/Table/stream/",
    "dynamodb:GetShardIterator": "State/Table/stream/",
    "dynamodb:ListStreams": "State/Table/stream/",
}


def expected(spec: FunctionSpec, stage: str) -> set[tuple[str, str]]:
    parameter = f"arn:<AWS::Partition>:ssm:<AWS::Region>:<AWS::AccountId>:parameter/tuneloop/{stage}/providers/*/key"
    rights = {(f"dynamodb:{action}", "State/Table") for action in spec.table}
    rights |= {("dynamodb:Query", f"State/Table/index/{index}") for index in spec.indexes}
    rights |= {("s3:GetObject", f"State/Bucket/{prefix}*") for prefix in spec.reads}
    rights |= {("s3:GetObjectVersion", f"State/Bucket/{prefix}*") for prefix in (spec.drops,) if prefix}
    rights |= {("s3:PutObject", f"State/Bucket/{objects_at(place)}") for place in spec.writes}
    rights |= {("s3:DeleteObjectVersion", f"State/Bucket/{prefix}*") for prefix in spec.deletes}
    rights |= {("s3:ListBucketVersions", "State/Bucket") for _ in spec.listed}
    rights |= {("sqs:SendMessage", f"Queues/{queue.capitalize()}") for queue in spec.sends}
    rights |= {("sqs:GetQueueAttributes", f"Queues/{queue.capitalize()}") for queue in spec.watches}
    rights |= {(f"logs:{action}", f"{construct_of(spec)}/Logs") for action in ("CreateLogStream", "PutLogEvents")}
    if spec.queue:
        reads = ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")
        rights |= {(f"sqs:{action}", f"Queues/{spec.queue.capitalize()}") for action in reads}
    if spec.stream:
        stream_reads = ("DescribeStream", "GetRecords", "GetShardIterator", "ListStreams")
        rights |= {(f"dynamodb:{action}", "State/Table/stream/*") for action in stream_reads}
    if spec.stream or spec.events or spec.drops or spec.schedules:
        rights.add(("sqs:SendMessage", "Queues/Failures"))
    if spec.publishes:
        rights.add(("events:PutEvents", "Bus"))
    if spec.provider_key:
        rights.add(("ssm:GetParameter", parameter))
    if spec.webhook_secrets:
        rights.add(("ssm:GetParameter", parameter.replace("*/key", "*/webhook-secret")))
    return rights


@pytest.mark.parametrize("stage", ["local", "prod"])
def test_a_role_allows_exactly_what_its_row_says(
    templates: dict[str, Template], stage: str, spec: FunctionSpec
) -> None:
    assert granted(templates[stage], spec) == expected(spec, stage)


def test_a_role_allows_nothing_twice(template: Template, spec: FunctionSpec) -> None:
    assert set(counted(template, spec).values()) == {1}


def test_lambda_s_own_machinery_may_do_what_aws_documents_once_per_trigger(
    template: Template, spec: FunctionSpec
) -> None:
    users = [(action, user_of(spec, action, resource)) for action, resource in granted(template, spec)]

    rights = [(action, part) for action, part in users if part]
    assert Counter(rights) == Counter((action, part) for part in machinery_of(spec) for action in part.actions)


def test_a_listing_is_allowed_below_its_prefix_and_nowhere_else(template: Template) -> None:
    conditions = {
        spec.name: statement.get("Condition")
        for spec in FUNCTIONS
        for policy in template.of_type("AWS::IAM::Role")[f"{construct_of(spec)}/Role"]["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
        if "s3:ListBucketVersions" in as_list(statement["Action"])
    }

    assert conditions == {
        spec.name: {"StringLike": {"s3:prefix": places if len(places) > 1 else places[0]}}
        for spec in FUNCTIONS
        if (places := [f"{prefix}*" for prefix in spec.listed])
    }
    assert conditions


def test_only_erasing_deletes_objects(template: Template) -> None:
    deleting = {spec.name: {r for a, r in granted(template, spec) if a.startswith("s3:Delete")} for spec in FUNCTIONS}

    kept = {f"State/Bucket/{prefix}/*" for prefix in ("datasets", "exports", "evaluations")}
    assert {name: places for name, places in deleting.items() if places} == {"erase-examples": kept}


def test_the_function_that_judges_can_not_rewrite_what_it_judges(template: Template) -> None:
    (judge,) = (spec for spec in FUNCTIONS if spec.name == "evaluate")

    writable = {resource for action, resource in granted(template, judge) if action == "s3:PutObject"}

    assert writable == {f"State/Bucket/{place}" for place in ("exports/*/fingerprints.bin", "evaluations/*")}
    made = fingerprints_key("exports/acme/support/exp-1")
    assert [fnmatch(f"State/Bucket/{made}", place) for place in sorted(writable)] == [False, True]


def test_a_role_names_actions_and_resources_except_where_aws_has_none(template: Template) -> None:
    rights = {right for spec in FUNCTIONS for right in granted(template, spec)}

    loose = {(action, resource) for action, resource in rights if "*" in action or "*" in resource}

    assert loose
    assert all(resource.startswith(WILDCARDS_BY_ACTION[action]) for action, resource in loose)
    assert all(resource.count("*") == 1 for _, resource in loose)


def test_every_role_belongs_to_one_function_and_has_no_policy_but_its_row(template: Template) -> None:
    roles = template.of_type("AWS::IAM::Role")

    assert set(roles) == {f"{construct_of(spec)}/Role" for spec in FUNCTIONS}
    assert all("ManagedPolicyArns" not in role for role in roles.values())
    assert not template.of_type("AWS::IAM::Policy")
    assert not template.of_type("AWS::IAM::ManagedPolicy")
    functions = template.of_type("AWS::Lambda::Function")
    assert {path: template.text(function["Role"]) for path, function in functions.items()} == {
        f"{construct_of(spec)}/Function": f"{construct_of(spec)}/Role" for spec in FUNCTIONS
    }


def test_only_lambda_can_take_a_role(template: Template) -> None:
    for role in template.of_type("AWS::IAM::Role").values():
        (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert statement["Principal"] == {"Service": "lambda.amazonaws.com"}


def test_nobody_may_call_a_function_but_this_api_and_its_own_rules(template: Template) -> None:
    rules = set(template.of_type("AWS::Events::Rule"))

    for path, permission in template.of_type("AWS::Lambda::Permission").items():
        source = template.text(permission["SourceArn"])
        if permission["Principal"] == "events.amazonaws.com":
            assert source in rules
            assert path.removesuffix("/Invoke") == source.removesuffix("/Rule")
        else:
            assert permission["Principal"] == "apigateway.amazonaws.com"
            assert source.endswith(":Api/Http/*/*" if path.startswith("Api/Unknown/") else ":Api/Http/*/*/*")


def test_only_rules_of_this_stack_may_write_to_the_failure_queue(template: Template) -> None:
    policies = template.of_type("AWS::SQS::QueuePolicy")

    allowed = [
        statement
        for policy in policies.values()
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow"
    ]

    (statement,) = allowed
    assert statement["Action"] == "sqs:SendMessage"
    assert template.text(statement["Resource"]) == "Queues/Failures"
    sources = {template.text(arn) for arn in statement["Condition"]["ArnEquals"]["aws:SourceArn"]}
    assert sources == set(template.of_type("AWS::Events::Rule"))


def test_a_stage_that_traces_may_write_traces_and_nothing_more(synthesize: Synthesize) -> None:
    traced = synthesize("prod", **OWN, traces="true")

    tracing = {(action, "*") for action in TRACER.actions}
    for spec in FUNCTIONS:
        assert granted(traced, spec) == expected(spec, "prod") | tracing
    assert {f["TracingConfig"]["Mode"] for f in traced.of_type("AWS::Lambda::Function").values()} == {"Active"}
