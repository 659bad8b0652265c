"""The Tuneloop stack: state, queues, bus, functions, and what wakes them, made from the table of functions."""

from typing import Any

from aws_cdk import Annotations, CfnOutput, CfnRule, CfnRuleAssertion, Fn, Stack
from aws_cdk import aws_events as events
from constructs import Construct

from infra.access_log import AccessLog
from infra.alarms import Alarms
from infra.api import ApiConstruct
from infra.bedrock import JobRole
from infra.bus import Rules
from infra.dashboard import Dashboard
from infra.functions import FUNCTIONS
from infra.lambdas import Lambdas
from infra.queues import Queues
from infra.sources import Sources
from infra.stage import Stage
from infra.state import State

NO_LAYER = (
    "build/layer is missing (see make layer): this template can be read, but its functions would lack their libraries"
)


class TuneloopStack(Stack):
    """Everything that Tuneloop owns in one account and region, for one stage."""

    def __init__(self, scope: Construct, stage: Stage, **options: Any) -> None:
        super().__init__(scope, f"tuneloop-{stage.name}", termination_protection=stage.keeps_data, **options)
        state, queues = State(self, stage), Queues(self, stage)
        bus = events.EventBus(self, "Bus", event_bus_name=f"tuneloop-{stage.name}")
        jobs = JobRole(self, stage, state) if stage.trains_on_bedrock else None
        lambdas = Lambdas(self, stage, state, queues, bus, jobs)
        Rules(self, stage, state, queues, bus, lambdas)
        Sources(self, state, queues, lambdas)
        api = ApiConstruct(self, stage, lambdas)
        AccessLog(self, stage, api.stage)
        alarms = Alarms(self, stage, queues, lambdas, api)
        if stage.dashboard:
            Dashboard(self, stage, queues, lambdas, api, alarms)
        if not stage.is_local and not stage.has_built_layer:
            self._refuse_deployment()
        self._publish(
            ApiUrl=api.stage.url,
            ApiId=api.http.api_id,
            TableName=state.table.table_name,
            BucketName=state.bucket.bucket_name,
            BusName=bus.event_bus_name,
            ExamplesQueueUrl=queues.by_name["examples"].queue_url,
            UsageQueueUrl=queues.by_name["usage"].queue_url,
            FailuresQueueUrl=queues.failures.queue_url,
            ProviderKeyParameter=stage.key_parameter,
            Provider=stage.provider,
            ProviderBaseUrl=stage.provider_base_url or "none",  # CloudFormation takes no empty output
            BaseModel=stage.base_model,
            IsEmulated=str(stage.is_emulated).lower(),  # `tuneloop providers add` reads it
            **({"BedrockRoleArn": jobs.arn} if jobs else {}),
            Settings=stage.settings,
            **{f"{spec.construct_id}Function": lambdas.by_name[spec.name].function_name for spec in FUNCTIONS},
        )

    def _publish(self, **outputs: str) -> None:
        for name, value in outputs.items():
            CfnOutput(self, name, value=value)

    def _refuse_deployment(self) -> None:
        """Add a rule by which CloudFormation refuses a template without a layer, which tests and readers can use."""
        never = Fn.condition_equals("layer", "missing")
        CfnRule(self, "LayerIsBuilt", assertions=[CfnRuleAssertion(assert_=never, assert_description=NO_LAYER)])
        Annotations.of(self).add_warning_v2("tuneloop:no-layer", NO_LAYER)
