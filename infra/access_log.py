"""The API's access log: one line per call, also of calls that reach no function because they were throttled.

A line names the route and not the path, so that no tenant's id and no query string, which may hold a user's key, is in
it. The function's own log has the same request id. The IP address tells one loud caller from many.
"""

import json
from typing import cast

from aws_cdk import RemovalPolicy
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.lambdas import RETENTION
from infra.stage import Stage

LINE = {
    "requestId": "$context.requestId",
    "time": "$context.requestTime",
    "ip": "$context.identity.sourceIp",
    "route": "$context.routeKey",
    "status": "$context.status",
    "error": "$context.error.responseType",
    "functionStatus": "$context.integration.status",  # `$context.integrationStatus` is the Lambda service's own
    "latencyMs": "$context.responseLatency",
    "bytes": "$context.responseLength",
}


class AccessLog(Construct):
    """The log group `/aws/vendedlogs/tuneloop-{stage}-api`, kept as long as the functions' logs."""

    def __init__(self, scope: Construct, stage: Stage, http: apigateway.HttpStage) -> None:
        super().__init__(scope, "AccessLog")
        group = logs.LogGroup(
            self,
            "Calls",
            log_group_name=f"/aws/vendedlogs/{stage.name_of('api')}",
            retention=RETENTION[stage.log_retention_days],
            removal_policy=RemovalPolicy.DESTROY,
        )
        resource = cast("apigateway.CfnStage", http.node.default_child)
        resource.access_log_settings = apigateway.CfnStage.AccessLogSettingsProperty(
            destination_arn=group.log_group_arn, format=json.dumps(LINE)
        )
