"""The HTTP API: every route of the table of functions leads to its function, and API Gateway throttles the stage.

There is no authorizer: each function looks up the caller's key itself, so that a refusal has the API's error shape.
For the same reason, requests that match no route go to one function too.
"""

from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_apigatewayv2_integrations as integrations
from constructs import Construct

from infra.functions import FUNCTIONS, FunctionSpec
from infra.lambdas import Lambdas
from infra.stage import Stage


class ApiConstruct(Construct):
    """The HTTP API with its `$default` stage; all its routes begin with `/v1`."""

    def __init__(self, scope: Construct, stage: Stage, lambdas: Lambdas) -> None:
        super().__init__(scope, "Api")
        self.http = apigateway.HttpApi(
            self, "Http", api_name=f"tuneloop-{stage.name}", create_default_stage=False, description="Tuneloop"
        )
        self.stage = apigateway.HttpStage(
            self,
            "Stage",
            http_api=self.http,
            stage_name="$default",
            auto_deploy=True,
            throttle=apigateway.ThrottleSettings(rate_limit=stage.requests_per_s, burst_limit=stage.request_burst),
        )
        for spec in FUNCTIONS:
            if spec.routes:
                self._add_routes(spec, lambdas)
            if spec.unknown_routes:
                self._add_unknown_routes(spec, lambdas)

    def _add_routes(self, spec: FunctionSpec, lambdas: Lambdas) -> None:
        integration = integrations.HttpLambdaIntegration(
            f"{spec.package}Integration",
            lambdas.by_name[spec.name],
            scope_permission_to_route=False,  # one permission per function: a policy of many routes outgrows 20 KB
        )
        for method, path in spec.gateway_routes:
            self.http.add_routes(path=path, methods=[apigateway.HttpMethod[method]], integration=integration)

    def _add_unknown_routes(self, spec: FunctionSpec, lambdas: Lambdas) -> None:
        # This integration has a permission of its own: the routes' names a method and a path, and `$default` has none.
        integration = integrations.HttpLambdaIntegration("UnknownIntegration", lambdas.by_name[spec.name])
        key = apigateway.HttpRouteKey.DEFAULT
        apigateway.HttpRoute(self, "Unknown", http_api=self.http, route_key=key, integration=integration)
