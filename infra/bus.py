"""EventBridge: Tuneloop's own bus for domain events, and the rules on it, on S3's events and on the clock.

A rule serves one function, so that each row reads off as its own rules and none meets the limit of five targets.
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
# Best effort, says AWS: a hint to look, while the sweep looks anyway. The names of jobs are the stage's own.
JOBS_ON_BEDROCK = {"source": ["aws.bedrock"], "detail-type": ["Model Customization Job State Change"]}


class Rules(Construct):
    """Domain events, dropped files and schedules, each to its function; what can't be delivered is kept."""

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
            rules.append(self._rule(spec, "events", event_bus_name=self._bus.event_bus_name, event_pattern=pattern))
        if spec.drops:
            rules.append(self._rule(spec, "drops", event_pattern=self._drop_pattern(spec.drops)))
        if spec.bedrock.hears_jobs and self._stage.trains_on_bedrock:
            rules.append(self._rule(spec, "jobs", event_pattern=JOBS_ON_BEDROCK))
        rules += [self._scheduled_rule(spec, schedule) for schedule in spec.schedules]
        return rules

    def _drop_pattern(self, prefix: str) -> dict[str, Any]:
        detail = {"bucket": {"name": [self._state.bucket.bucket_name]}, "object": {"key": [{"prefix": prefix}]}}
        return {"source": ["aws.s3"], "detail-type": ["Object Created"], "detail": detail}

    def _scheduled_rule(self, spec: FunctionSpec, schedule: Schedule) -> events.CfnRule:
        constant = Stack.of(self).to_json_string({"schedule": schedule.name})
        return self._rule(spec, schedule.name, target_input=constant, schedule_expression=schedule.expression)

    def _rule(self, spec: FunctionSpec, what: str, *, target_input: str | None = None, **when: Any) -> events.CfnRule:
        function = self._lambdas.by_name[spec.name]
        scope = Construct(self, spec.construct_id + what.title().replace("-", ""))
        target = events.CfnRule.TargetProperty(
            id="function",
            arn=function.function_arn,
            input=target_input,
            dead_letter_config=events.CfnRule.DeadLetterConfigProperty(arn=self._failures.queue_arn),
        )
        name = self._stage.name_of(f"{spec.name}-{what}")
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
