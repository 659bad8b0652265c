"""The table, the bucket and the queues keep data as the design asks, more carefully in production."""

import json

import pytest

from infra.functions import FUNCTIONS
from tests.infra.template import Template, as_list
from tuneloop.domain.core.limits import QUEUE_TRIES

pytestmark = pytest.mark.xdist_group("infra")


def test_the_table_is_on_demand_streams_images_expires_rows_and_restores(template: Template) -> None:
    (table,) = template.of_type("AWS::DynamoDB::Table").values()

    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["StreamSpecification"] == {"StreamViewType": "NEW_IMAGE"}
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert [key["AttributeName"] for key in table["KeySchema"]] == ["pk", "sk"]


def test_the_table_has_the_sweep_and_by_time_indexes_with_all_attributes(template: Template) -> None:
    (table,) = template.of_type("AWS::DynamoDB::Table").values()

    indexes = {
        index["IndexName"]: (
            [key["AttributeName"] for key in index["KeySchema"]],
            index["Projection"]["ProjectionType"],
        )
        for index in table["GlobalSecondaryIndexes"]
    }

    assert indexes == {"sweep": (["sweep_pk", "sweep_sk"], "ALL"), "by_time": (["list_pk", "list_sk"], "ALL")}


def test_the_bucket_is_private_encrypted_versioned_and_tells_eventbridge(template: Template) -> None:
    (bucket,) = template.of_type("AWS::S3::Bucket").values()

    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    assert bucket["NotificationConfiguration"] == {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}


def test_production_refuses_plain_http_and_outlives_its_stack(templates: dict[str, Template]) -> None:
    local, prod = templates["local"], templates["prod"]

    assert refusals(prod, "AWS::S3::BucketPolicy", "Bucket") == {"State/Bucket"}
    assert not local.of_type("AWS::S3::BucketPolicy")
    for path in ("State/Table", "State/Bucket"):
        assert prod.resource(path)["DeletionPolicy"] == "Retain"
        assert local.resource(path)["DeletionPolicy"] == "Delete"
    assert prod.of_type("AWS::DynamoDB::Table")["State/Table"]["DeletionProtectionEnabled"] is True


def test_every_queue_is_encrypted_and_in_production_refuses_plain_http(templates: dict[str, Template]) -> None:
    local, prod = templates["local"], templates["prod"]

    for template in (local, prod):
        assert all(queue["SqsManagedSseEnabled"] is True for queue in template.of_type("AWS::SQS::Queue").values())
    assert refusals(prod, "AWS::SQS::QueuePolicy", "Queues") == set(prod.of_type("AWS::SQS::Queue"))
    assert refusals(local, "AWS::SQS::QueuePolicy", "Queues") == set()


def refusals(template: Template, kind: str, field: str) -> set[str]:
    """The resources whose policy turns down whatever comes without TLS."""
    plain = {"Bool": {"aws:SecureTransport": "false"}}
    return {
        template.text(name).removeprefix("<").removesuffix(">")
        for policy in template.of_type(kind).values()
        for statement in policy["PolicyDocument"]["Statement"]
        if (statement["Effect"], statement.get("Condition")) == ("Deny", plain)
        for name in as_list(policy[field])
    }


def test_drops_last_a_month_posts_as_their_message_old_versions_a_week(template: Template) -> None:
    (bucket,) = template.of_type("AWS::S3::Bucket").values()

    rules = {rule.pop("Id"): rule for rule in bucket["LifecycleConfiguration"]["Rules"]}

    assert rules == {
        "drops": {"Status": "Enabled", "Prefix": "incoming/", "ExpirationInDays": 30},
        "posts": {"Status": "Enabled", "Prefix": "posted/", "ExpirationInDays": 14},
        "remains": {
            "Status": "Enabled",
            "NoncurrentVersionExpiration": {"NoncurrentDays": 7},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
            "ExpiredObjectDeleteMarker": True,
        },
    }


def test_the_access_log_names_routes_and_never_a_path_or_query(template: Template) -> None:
    (stage,) = template.of_type("AWS::ApiGatewayV2::Stage").values()

    settings = stage["AccessLogSettings"]

    assert template.text(settings["DestinationArn"]) == "AccessLog/Calls"
    shown = set(json.loads(settings["Format"]).values())
    assert {"$context.routeKey", "$context.status", "$context.requestId"} <= shown
    assert not any(word in value.lower() for value in shown for word in ("path", "query", "header", "message", "agent"))


def test_whatever_writes_a_log_has_a_group_that_forgets(template: Template) -> None:
    groups = template.of_type("AWS::Logs::LogGroup")

    logging = {
        template.text(f["LoggingConfig"]["LogGroup"]) for f in template.of_type("AWS::Lambda::Function").values()
    }

    assert set(groups) == logging | {"AccessLog/Calls"}
    assert all(group["RetentionInDays"] <= 30 for group in groups.values())
    assert len(logging) == len(template.of_type("AWS::Lambda::Function"))


def test_a_message_that_keeps_failing_moves_to_its_dead_letter_queue(template: Template) -> None:
    queues = template.of_type("AWS::SQS::Queue")

    dead = {
        path: template.text(queue["RedrivePolicy"]["deadLetterTargetArn"])
        for path, queue in queues.items()
        if "RedrivePolicy" in queue
    }

    assert dead == {"Queues/Examples": "Queues/ExamplesDead", "Queues/Usage": "Queues/UsageDead"}
    assert set(queues) == {*dead, *dead.values(), "Queues/Failures"}


def test_a_post_whose_reader_is_killed_comes_back_within_three_minutes(template: Template) -> None:
    [spec] = [spec for spec in FUNCTIONS if spec.queue == "examples"]

    hidden = template.of_type("AWS::SQS::Queue")["Queues/Examples"]["VisibilityTimeout"]

    assert spec.timeout_s <= 60
    assert hidden <= 180
    assert hidden * QUEUE_TRIES < 30 * 60, "a drop is given up after half an hour"


def test_a_queue_s_former_reader_is_changed_when_another_reads_it(template: Template) -> None:
    """Lambda refuses a time-out above what the queue that it reads hides a message for."""
    former = template.resource("Functions/CollectExamples/Function")

    assert "Sources/ExamplesQueue" in [template.text({"Ref": name}) for name in former["DependsOn"]]


def test_a_message_stays_hidden_for_six_runs_of_its_function(template: Template) -> None:
    queues = template.of_type("AWS::SQS::Queue")

    for spec in (spec for spec in FUNCTIONS if spec.queue):
        assert queues[f"Queues/{spec.queue.capitalize()}"]["VisibilityTimeout"] >= 6 * spec.timeout_s  # type: ignore[union-attr]
