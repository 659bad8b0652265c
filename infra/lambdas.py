"""The Lambda functions, one per row of the table, each with its own role, log group and environment variables."""

from pathlib import Path

from aws_cdk import Duration, Fn, IgnoreMode, RemovalPolicy, Size, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.bedrock import JobRole
from infra.functions import FUNCTIONS, FunctionSpec
from infra.permissions import Permissions
from infra.queues import Queues
from infra.stage import PYTHON, Stage
from infra.state import State

# The Python that deploys is the one that ran the tests, and on this machine the one that runs the functions.
RUNTIME = lambda_.Runtime(PYTHON, lambda_.RuntimeFamily.PYTHON)
ARCHITECTURES = {"arm64": lambda_.Architecture.ARM_64, "x86_64": lambda_.Architecture.X86_64}
# Left out of a source tree. A built tree is taken whole: its compiled files belong to it and make cold starts short.
NOT_CODE = ["**/__pycache__", "*.egg-info"]
RETENTION = {
    1: logs.RetentionDays.ONE_DAY,
    7: logs.RetentionDays.ONE_WEEK,
    30: logs.RetentionDays.ONE_MONTH,
    90: logs.RetentionDays.THREE_MONTHS,
    365: logs.RetentionDays.ONE_YEAR,
}


class Lambdas(Construct):
    """The functions by the names of their rows."""

    def __init__(
        self,
        scope: Construct,
        stage: Stage,
        state: State,
        queues: Queues,
        bus: events.EventBus,
        jobs: JobRole | None = None,
    ) -> None:
        super().__init__(scope, "Functions")
        self._stage, self._state, self._queues, self._bus, self._jobs = stage, state, queues, bus, jobs
        self._permissions = Permissions(stage, state, queues, bus, jobs)
        self._architecture = ARCHITECTURES[stage.architecture]
        self._layers = [self._make_layer(name, root) for name, root in stage.layers.items()]
        self.by_name = {spec.name: self._make_function(spec) for spec in FUNCTIONS}

    def _make_layer(self, name: str, root: Path) -> lambda_.LayerVersion:
        return lambda_.LayerVersion(
            self,
            name,
            code=lambda_.Code.from_asset(str(root), exclude=self._not_code(root), ignore_mode=IgnoreMode.GIT),
            compatible_runtimes=[RUNTIME],
            compatible_architectures=[self._architecture],
        )

    def _make_function(self, spec: FunctionSpec) -> lambda_.Function:
        scope = Construct(self, spec.construct_id)
        name = self._stage.name_of(spec.name)
        log_group = logs.LogGroup(
            scope,
            "Logs",
            log_group_name=f"/aws/lambda/{name}",
            retention=RETENTION[self._stage.log_retention_days],
            removal_policy=RemovalPolicy.DESTROY,
        )
        role = iam.Role(
            scope,
            "Role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            inline_policies={"row": self._permissions.of(spec, log_group)},
        )
        return lambda_.Function(
            scope,
            "Function",
            function_name=name,
            description=spec.purpose,
            runtime=RUNTIME,
            architecture=self._architecture,
            handler=f"{spec.package}.handler.handler",
            code=self._code(spec),
            layers=self._layers,
            role=role.without_policy_updates(),  # keeps the CDK from adding to what the row grants
            environment=self._environment(spec),
            timeout=Duration.seconds(spec.timeout_s),
            memory_size=spec.memory_mb,
            ephemeral_storage_size=Size.mebibytes(spec.disk_mb),
            tracing=lambda_.Tracing.ACTIVE if self._stage.traces else lambda_.Tracing.DISABLED,
            log_group=log_group,
        )

    def _code(self, spec: FunctionSpec) -> lambda_.AssetCode:
        return lambda_.Code.from_asset(
            str(self._stage.functions_root),
            exclude=["/*", f"!/{spec.package}", *self._not_code(self._stage.functions_root)],
            ignore_mode=IgnoreMode.GIT,
        )

    def _not_code(self, root: Path) -> list[str]:
        return [] if self._stage.is_built(root) else NOT_CODE

    def _environment(self, spec: FunctionSpec) -> dict[str, str]:
        stage = self._stage
        environment = {
            "TUNELOOP_STAGE": stage.name,
            "TUNELOOP_TABLE": self._state.table.table_name,
            "POWERTOOLS_SERVICE_NAME": spec.name,
            "LOG_LEVEL": "INFO",
        }
        for setting in spec.settings:
            environment[f"TUNELOOP_{setting.upper()}"] = str(getattr(stage, setting))
        if spec.touches_objects:
            environment["TUNELOOP_BUCKET"] = self._state.bucket.bucket_name
        for queue in spec.sends:
            environment[f"TUNELOOP_{queue.upper()}_QUEUE_URL"] = self._queues.by_name[queue].queue_url
        if spec.publishes:
            environment["TUNELOOP_BUS"] = self._bus.event_bus_name
        if spec.provider_key:
            environment["TUNELOOP_ORIGIN"] = f"{stage.name}-{Fn.select(2, Fn.split('/', Stack.of(self).stack_id))}"
        if spec.provider_key and stage.needs_key:
            environment["TUNELOOP_PROVIDER_BASE_URL"] = stage.provider_base_url
            environment["TUNELOOP_PROVIDER_KEY_PARAMETER"] = stage.key_parameter
        return environment | (self._bedrock_environment(spec, self._jobs) if self._jobs else {})

    def _bedrock_environment(self, spec: FunctionSpec, jobs: JobRole) -> dict[str, str]:
        """A function's variables for Bedrock; on this machine with the trainer's address in place of AWS's."""
        variables = {"TUNELOOP_BEDROCK": "true"} if "provider" in spec.settings else {}
        if spec.bedrock.passes_role:
            variables["TUNELOOP_BEDROCK_ROLE_ARN"] = jobs.arn
        if spec.bedrock.reads or spec.bedrock.writes or spec.bedrock.deletes:
            variables["TUNELOOP_BUCKET"] = self._state.bucket.bucket_name
        if spec.bedrock.actions and (url := self._stage.bedrock_url):
            variables |= {f"AWS_ENDPOINT_URL_{name}": url for name in ("BEDROCK", "BEDROCK_RUNTIME")}
        return variables
