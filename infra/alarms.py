"""The alarms: ten conditions worth waking somebody for, and the topic that they notify.

CloudWatch bills an alarm by the metrics that it watches, so each of the ten watches one: that names what is wrong, and
costs no more than one alarm over several metrics. Function errors have no alarm of their own: an invocation that nobody
waited for ends in a dead-letter queue, whether the code failed, timed out or could not be imported, and any other
failure is a 5xx.
"""

from dataclasses import dataclass

from aws_cdk import ArnFormat, Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.api import ApiConstruct
from infra.functions import FUNCTIONS
from infra.lambdas import Lambdas
from infra.queues import Queues
from infra.stage import Stage
from tuneloop.observability import METRICS, NAMESPACE, SERVICE

GUIDE = "docs/operations.md"
FIVE_MINUTES = Duration.minutes(5)
# A message that failed is delivered again after three minutes, so one failure alone does not make a queue late.
LATE_MESSAGE_S = 900
# The stream is read within seconds; an age of five minutes, in milliseconds, means that reading it stands still.
LATE_STREAM_MS = 300_000


@dataclass(frozen=True)
class Watch:
    """An alarm: it goes off when the metric reaches `at_least` in `of` of the last `within` periods of five minutes."""

    name: str  # hyphenated, it is also the heading in the guide
    meaning: str
    metric: cloudwatch.Metric
    at_least: float = 1
    of: int = 1
    within: int = 1

    @property
    def anchor(self) -> str:
        """The anchor of the guide's heading that says what to do."""
        return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in self.name).removeprefix("-")


class Alarms(Construct):
    """The alarms of a stage by their names, and the topic that they notify."""

    def __init__(self, scope: Construct, stage: Stage, queues: Queues, lambdas: Lambdas, api: ApiConstruct) -> None:
        super().__init__(scope, "Alarms")
        self._stage = stage
        self.topic = self._make_topic()
        watches = [*_queue_watches(queues), *_flow_watches(lambdas, api), *_loop_watches(stage)]
        self.by_name = {watch.name: self._make_alarm(watch) for watch in watches}

    def _make_topic(self) -> sns.Topic:
        """The topic, not encrypted by KMS: alarms can't use the AWS-managed key, and a key of our own costs more."""
        topic = sns.Topic(self, "Topic", topic_name=self._stage.name_of("alarms"), enforce_ssl=self._stage.enforces_ssl)
        alarms = Stack.of(self).format_arn(
            service="cloudwatch",
            resource="alarm",
            resource_name=self._stage.name_of("*"),
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        # A topic's own policy replaces the default one, which let the account's alarms publish.
        topic.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["sns:Publish"],
                resources=[topic.topic_arn],
                conditions={"ArnLike": {"aws:SourceArn": alarms}},
            )
        )
        if self._stage.alarm_email:
            topic.add_subscription(subscriptions.EmailSubscription(self._stage.alarm_email))
        return topic

    def _make_alarm(self, watch: Watch) -> cloudwatch.Alarm:
        alarm = cloudwatch.Alarm(
            self,
            watch.name,
            alarm_name=self._stage.name_of(watch.anchor),
            alarm_description=f"{watch.meaning} What to do: {GUIDE}#{watch.anchor}",
            metric=watch.metric,
            threshold=watch.at_least,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            evaluation_periods=watch.within,
            datapoints_to_alarm=watch.of,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        alarm.add_alarm_action(actions.SnsAction(self.topic))
        alarm.add_ok_action(actions.SnsAction(self.topic))
        return alarm


def own_metric(stage: Stage, name: str) -> cloudwatch.Metric:
    """A metric that the functions of a stage write; ValueError for a name that none of them writes."""
    if name not in METRICS:
        raise ValueError(f"no function counts {name}")
    return cloudwatch.Metric(
        namespace=NAMESPACE,
        metric_name=name,
        dimensions_map={"stage": stage.name, "service": SERVICE},
        statistic="Sum",
        period=FIVE_MINUTES,
    )


def _queue_watches(queues: Queues) -> list[Watch]:
    return [
        Watch(
            "DeadExamples",
            "Posted examples could not be collected, five times.",
            _messages_in(queues.dead["examples-dead"]),
        ),
        Watch("DeadUsage", "Usage could not be counted, five times.", _messages_in(queues.dead["usage-dead"])),
        Watch("Failures", "An event, a schedule or a dropped file was given up on.", _messages_in(queues.failures)),
        Watch(
            "ExamplesLate",
            "Posted examples have waited for a quarter of an hour and are not being collected.",
            _oldest_message_age(queues.by_name["examples"]),
            at_least=LATE_MESSAGE_S,
        ),
        Watch(
            "UsageLate",
            "Usage has waited for a quarter of an hour and is not being counted.",
            _oldest_message_age(queues.by_name["usage"]),
            at_least=LATE_MESSAGE_S,
        ),
    ]


def _flow_watches(lambdas: Lambdas, api: ApiConstruct) -> list[Watch]:
    reader = next(spec for spec in FUNCTIONS if spec.stream)
    return [
        Watch(
            "ApiErrors",
            "The API has answered with 5xx, five times in five minutes and twice within a quarter of an hour.",
            api.http.metric_server_error(statistic="Sum", period=FIVE_MINUTES),
            at_least=5,
            of=2,
            within=3,
        ),
        Watch(
            "EventsLate",
            "Domain events are read from the table's stream five minutes late or more, so the loop stands still.",
            iterator_age(lambdas.by_name[reader.name]),
            at_least=LATE_STREAM_MS,
        ),
    ]


def _loop_watches(stage: Stage) -> list[Watch]:
    return [
        Watch(
            "ProviderAway",
            "The provider can't be reached, doesn't take our key, or refuses a version for which others answer: "
            "for half an hour.",
            own_metric(stage, "ProviderUnavailable"),
            of=6,
            within=6,
        ),
        Watch(
            "DropsRefused",
            "Files were dropped under a path that names no tenant or dataset, so that nobody will ever see them.",
            own_metric(stage, "DropsRefused"),
        ),
        Watch(
            "RunsOverdue",
            "A training run that waits for nobody has not ended, or its version is not served, within a day.",
            own_metric(stage, "RunsOverdue"),
            of=2,
            within=3,
        ),
    ]


def iterator_age(function: lambda_.IFunction) -> cloudwatch.Metric:
    """The age of the last record that a function read from the table's stream, in milliseconds."""
    return function.metric("IteratorAge", statistic="Maximum", period=FIVE_MINUTES)


def _messages_in(queue: sqs.IQueue) -> cloudwatch.Metric:
    return queue.metric_approximate_number_of_messages_visible(statistic="Maximum", period=FIVE_MINUTES)


def _oldest_message_age(queue: sqs.IQueue) -> cloudwatch.Metric:
    return queue.metric_approximate_age_of_oldest_message(statistic="Maximum", period=FIVE_MINUTES)
