"""The state of a stage: one DynamoDB table with its stream, and one private bucket for examples and exports."""

from typing import cast

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.functions import Index
from infra.queues import TWO_WEEKS
from infra.stage import Stage

# A drop's examples are in segments minutes after it came; the file stays for a month, for whoever looks for a fault.
DROPS_KEPT = Duration.days(30)
FIGURES_KEPT = Duration.days(90)  # losses per step, without content
POSTS_KEPT = TWO_WEEKS  # as long as the message that names a post, so that a dead letter can be sent back
OLD_VERSIONS_KEPT = Duration.days(7)  # the time in which a mistake can be undone, and that an erasure may take
# Sparse indexes, which hold only rows with these keys: `sweep` unfinished work, `by_time` lists with the newest first.
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
            lifecycle_rules=[*_lifecycle_rules(), *(_training_rules() if trains else ())],
            removal_policy=removal,
        )
        # The CDK's `event_bridge_enabled` deploys a Lambda with rights on every bucket; CloudFormation needs none.
        resource = cast("s3.CfnBucket", bucket.node.default_child)
        resource.notification_configuration = s3.CfnBucket.NotificationConfigurationProperty(
            event_bridge_configuration=s3.CfnBucket.EventBridgeConfigurationProperty(event_bridge_enabled=True)
        )
        return bucket


def _lifecycle_rules() -> list[s3.LifecycleRule]:
    """The rules for what is deleted by itself; segments, exports and evaluations stay, in S3's standard class.

    Infrequent Access would save 1 cent per GB and month and cost 1 cent per GB read, and each retraining reads all.
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


def _training_rules() -> list[s3.LifecycleRule]:
    """The rules for files that jobs on Bedrock read, kept while an attempt may need them, and for their figures."""
    return [
        s3.LifecycleRule(id="training", prefix="training/", expiration=DROPS_KEPT),
        s3.LifecycleRule(id="training-output", prefix="training-output/", expiration=FIGURES_KEPT),
    ]


def _text(name: str) -> dynamodb.Attribute:
    return dynamodb.Attribute(name=name, type=dynamodb.AttributeType.STRING)
