"""The rules of EventBridge: on domain events of Tuneloop's own bus, on S3's events, on Bedrock's, and on schedules.

A rule has one function as its target, so that the rules follow from the table row by row and none meets EventBridge's
limit of five targets.
"""

from typing import Any

from aws_cdk import Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.functions import FUNCTIONS, FunctionSpec
from infra.lambdas import Lambdas
from infra.queues import Queues
from infra.schedules import Schedule
from infra.stage import Stage
from infra.state import State

SOURCE = "tuneloop"
# AWS delivers these events on a best-effort basis: they only make check-status look sooner than its sweep would. Other
# stages' jobs in the account match too; the function tells them apart by their names.
JOBS_ON_BEDROCK = {"source": ["aws.bedrock"], "detail-type": ["Model Customization Job State Change"]}


class Rules(Construct):
    """The rules that bring events, drops and schedules to their functions; `failures` keeps what is not delivered."""

    def __init__(
        self, scope: Construct, stage: Stage, state: State, queues: Queues, bus: events.EventBus, lambdas: Lambdas
    ) -> None:
        super().__init__(scope, "Rules")
        self._stage, self._state, self._failures, self._bus, self._lambdas = stage, state, queues.failures, bus, lambdas
        rules = [rule for spec in FUNCTIONS for rule in self._make_rules(spec)]
        queues.failures.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal("events.amazonaws.com")],
                actions=["sqs:SendMessage"],
                resources=[queues.failures.queue_arn],
                conditions={"ArnEquals": {"aws:SourceArn": [rule.attr_arn for rule in rules]}},
            )
        )

    def _make_rules(self, spec: FunctionSpec) -> list[events.CfnRule]:
        rules = []
        if spec.events:
            pattern = {"source": [SOURCE], "detail-type": list(spec.events)}
            bus = self._bus.event_bus_name
            rules.append(self._make_rule(spec, "events", event_bus_name=bus, event_pattern=pattern))
        if spec.drops:
            rules.append(self._make_rule(spec, "drops", event_pattern=self._drop_pattern(spec.drops)))
        if spec.bedrock.hears_jobs and self._stage.trains_on_bedrock:
            rules.append(self._make_rule(spec, "jobs", event_pattern=JOBS_ON_BEDROCK))
        rules += [self._make_schedule(spec, schedule) for schedule in spec.schedules]
        return rules

    def _drop_pattern(self, prefix: str) -> dict[str, Any]:
        detail = {"bucket": {"name": [self._state.bucket.bucket_name]}, "object": {"key": [{"prefix": prefix}]}}
        return {"source": ["aws.s3"], "detail-type": ["Object Created"], "detail": detail}

    def _make_schedule(self, spec: FunctionSpec, schedule: Schedule) -> events.CfnRule:
        constant = Stack.of(self).to_json_string({"schedule": schedule.name})
        return self._make_rule(spec, schedule.name, target_input=constant, schedule_expression=schedule.expression)

    def _make_rule(
        self, spec: FunctionSpec, trigger: str, *, target_input: str | None = None, **when: Any
    ) -> events.CfnRule:
        """A rule named after its function and trigger, with the permission by which it invokes the function."""
        function = self._lambdas.by_name[spec.name]
        scope = Construct(self, spec.construct_id + trigger.title().replace("-", ""))
        target = events.CfnRule.TargetProperty(
            id="function",
            arn=function.function_arn,
            input=target_input,
            dead_letter_config=events.CfnRule.DeadLetterConfigProperty(arn=self._failures.queue_arn),
        )
        name = self._stage.name_of(f"{spec.name}-{trigger}")
        rule = events.CfnRule(scope, "Rule", name=name, description=spec.purpose, targets=[target], **when)
        lambda_.CfnPermission(
            scope,
            "Invoke",
            action="lambda:InvokeFunction",
            function_name=function.function_arn,
            principal="events.amazonaws.com",
            source_arn=rule.attr_arn,
        )
        return rule
