"""What Tuneloop remembers: one DynamoDB table with its stream, and one private bucket for examples and exports."""

from typing import cast

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.functions import Index
from infra.queues import TWO_WEEKS
from infra.stage import Stage

DROPS_KEPT = Duration.days(30)  # a drop's examples are in segments minutes after it came
FIGURES_KEPT = Duration.days(90)
POSTS_KEPT = TWO_WEEKS  # as long as the message that names one, so that a dead letter can be sent back
OLD_VERSIONS_KEPT = Duration.days(7)  # as long as an erasure may take, and as a slip can be undone
# Sparse indexes: only rows with these keys are in them. `sweep`: what is unfinished; `by_time`: lists, newest first.
INDEX_KEYS: dict[Index, tuple[str, str]] = {"sweep": ("sweep_pk", "sweep_sk"), "by_time": ("list_pk", "list_sk")}


class State(Construct):
    """The table (on demand, streaming new images, TTL on `expires_at`, restorable) and the versioned bucket."""

    def __init__(self, scope: Construct, stage: Stage) -> None:
        super().__init__(scope, "State")
        removal = RemovalPolicy.RETAIN if stage.keeps_data else RemovalPolicy.DESTROY
        self.table = self._make_table(removal, protect=stage.keeps_data)
        self.bucket = self._make_bucket(removal, enforce_ssl=stage.enforces_ssl, trains=stage.trains_on_bedrock)

    def _make_table(self, removal: RemovalPolicy, *, protect: bool) -> dynamodb.Table:
        table = dynamodb.Table(
            self,
            "Table",
            partition_key=_text("pk"),
            sort_key=_text("sk"),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            stream=dynamodb.StreamViewType.NEW_IMAGE,
            time_to_live_attribute="expires_at",
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            deletion_protection=protect,
            removal_policy=removal,
        )
        for index, (partition, sort) in INDEX_KEYS.items():
            table.add_global_secondary_index(index_name=index, partition_key=_text(partition), sort_key=_text(sort))
        return table

    def _make_bucket(self, removal: RemovalPolicy, *, enforce_ssl: bool, trains: bool) -> s3.Bucket:
        bucket = s3.Bucket(
            self,
            "Bucket",
            versioned=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=enforce_ssl,
            lifecycle_rules=[*_lifecycle(), *(_of_training() if trains else ())],
            removal_policy=removal,
        )
        # CDK's `event_bridge_enabled` deploys an extra Lambda with rights on every bucket; CloudFormation needs none.
        resource = cast("s3.CfnBucket", bucket.node.default_child)
        resource.notification_configuration = s3.CfnBucket.NotificationConfigurationProperty(
            event_bridge_configuration=s3.CfnBucket.EventBridgeConfigurationProperty(event_bridge_enabled=True)
        )
        return bucket


def _lifecycle() -> list[s3.LifecycleRule]:
    """What goes by itself; segments, exports and evaluations stay, in the class from which reading is free.

    Infrequent access would save 1 cent per GB and month and take 1 cent per GB read: each retraining reads all of it.
    """
    return [
        s3.LifecycleRule(id="drops", prefix="incoming/", expiration=DROPS_KEPT),
        s3.LifecycleRule(id="posts", prefix="posted/", expiration=POSTS_KEPT),
        s3.LifecycleRule(
            id="remains",
            noncurrent_version_expiration=OLD_VERSIONS_KEPT,
            abort_incomplete_multipart_upload_after=Duration.days(1),
            expired_object_delete_marker=True,
        ),
    ]


def _of_training() -> list[s3.LifecycleRule]:
    """What jobs on Bedrock read, until no attempt of theirs can need it, and the figures that they leave."""
    return [
        s3.LifecycleRule(id="training", prefix="training/", expiration=DROPS_KEPT),
        s3.LifecycleRule(id="training-output", prefix="training-output/", expiration=FIGURES_KEPT),
    ]


def _text(name: str) -> dynamodb.Attribute:
    return dynamodb.Attribute(name=name, type=dynamodb.AttributeType.STRING)
