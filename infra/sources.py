"""The event sources that Lambda polls for a function, its queue or the table's stream, and where failures go."""

import json

from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.functions import FUNCTIONS, FunctionSpec, QueueName
from infra.lambdas import Lambdas
from infra.queues import BATCHING, Queues
from infra.state import State

# An event or record that is older has been overtaken by the sweep, which finds undone work in the rows themselves.
MAX_EVENT_AGE_S = 3600
# After these retries the sweep takes over, from the outbox row itself.
STREAM_RETRIES = 5
# Lambda's own default and maximum: three tries in all.
ASYNC_RETRIES = 2
# Batches of a queue that are worked on at once. Their rows are shared counters and heads of datasets, on which more
# would only collide.
QUEUE_CONCURRENCY = 5
# Functions that read a queue in stages deployed by former releases. Lambda refuses a time-out above the visibility
# time-out of the queue that a function reads, so such a function is changed after its queue has its new reader.
FORMER_READERS: dict[QueueName, str] = {"examples": "collect-examples"}
# Only new outbox rows wake `relay-events`; they alone have an `event_type`.
EVENT_ROWS = {"eventName": ["INSERT"], "dynamodb": {"NewImage": {"event_type": {"S": [{"exists": True}]}}}}


class Sources(Construct):
    """Event source mappings and the retry rules of asynchronous invocations, per row of the table."""

    def __init__(self, scope: Construct, state: State, queues: Queues, lambdas: Lambdas) -> None:
        super().__init__(scope, "Sources")
        self._state, self._queues, self._lambdas = state, queues, lambdas
        for spec in FUNCTIONS:
            if spec.queue:
                self._read_queue(spec, spec.queue)
            if spec.stream:
                self._read_stream(spec)
            if spec.is_asynchronous:
                self._keep_failures(spec)

    def _read_queue(self, spec: FunctionSpec, name: QueueName) -> None:
        mapping = lambda_.CfnEventSourceMapping(
            self,
            f"{name.capitalize()}Queue",
            function_name=self._lambdas.by_name[spec.name].function_name,
            event_source_arn=self._queues.by_name[name].queue_arn,
            batch_size=BATCHING[name].size,
            maximum_batching_window_in_seconds=BATCHING[name].window_s,
            function_response_types=["ReportBatchItemFailures"],
            scaling_config=lambda_.CfnEventSourceMapping.ScalingConfigProperty(maximum_concurrency=QUEUE_CONCURRENCY),
        )
        if former := FORMER_READERS.get(name):
            self._lambdas.by_name[former].node.add_dependency(mapping)

    def _read_stream(self, spec: FunctionSpec) -> None:
        mapping = lambda_.CfnEventSourceMapping
        pattern = mapping.FilterProperty(pattern=json.dumps(EVENT_ROWS))
        mapping(
            self,
            "Stream",
            function_name=self._lambdas.by_name[spec.name].function_name,
            event_source_arn=self._state.table.table_stream_arn,
            starting_position="TRIM_HORIZON",
            batch_size=100,
            filter_criteria=mapping.FilterCriteriaProperty(filters=[pattern]),
            function_response_types=["ReportBatchItemFailures"],
            bisect_batch_on_function_error=True,
            maximum_retry_attempts=STREAM_RETRIES,
            maximum_record_age_in_seconds=MAX_EVENT_AGE_S,
            destination_config=mapping.DestinationConfigProperty(
                on_failure=mapping.OnFailureProperty(destination=self._queues.failures.queue_arn)
            ),
        )

    def _keep_failures(self, spec: FunctionSpec) -> None:
        config = lambda_.CfnEventInvokeConfig
        config(
            self,
            f"{spec.construct_id}Failures",
            function_name=self._lambdas.by_name[spec.name].function_name,
            qualifier="$LATEST",
            maximum_retry_attempts=ASYNC_RETRIES,
            maximum_event_age_in_seconds=MAX_EVENT_AGE_S,
            destination_config=config.DestinationConfigProperty(
                on_failure=config.OnFailureProperty(destination=self._queues.failures.queue_arn)
            ),
        )
