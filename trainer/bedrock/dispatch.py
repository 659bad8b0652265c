"""Dispatch of Bedrock's wire: a request goes to the handler of its operation, and the answer is checked.

An operation of Bedrock's that has no handler here is refused as unknown.
"""

import logging
import secrets
from collections.abc import Callable
from typing import Any, cast

from botocore.model import StructureShape
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from trainer.bedrock import custom_models, deployments, jobs
from trainer.bedrock.arns import id_in
from trainer.bedrock.converse import converse, converse_stream
from trainer.bedrock.errors import INTERNAL, UNKNOWN, AwsRefusalError, error_response, not_found
from trainer.bedrock.event_stream import MEDIA_TYPE, encode_events
from trainer.bedrock.request_context import RequestContext, signed_region
from trainer.bedrock.rest_json import read_request, write_response
from trainer.bedrock.service_model import ModelBrokenError, OperationCall
from trainer.context import Context

Handler = Callable[[RequestContext, dict[str, Any]], dict[str, Any]]


def list_tags(context: RequestContext, request: dict[str, Any]) -> dict[str, Any]:
    """List the tags with which a job, a custom model or a deployment was created."""
    arn = request["resourceARN"]
    tags = {row.arn: row.request.get("jobTags", []) for row in context.customizations()}
    tags |= {row.model_arn: row.request.get("customModelTags", []) for row in context.customizations()}
    tags |= {row.arn: row.request.get("tags", []) for row in context.deployments()}
    if arn not in tags:
        raise not_found(f"resource with the id {id_in(arn)}")
    return {"tags": tags[arn]}


HANDLERS: dict[str, Handler] = {
    "CreateModelCustomizationJob": jobs.create,
    "GetModelCustomizationJob": jobs.get,
    "ListModelCustomizationJobs": jobs.list_jobs,
    "StopModelCustomizationJob": jobs.stop,
    "ListTagsForResource": list_tags,
    "ListFoundationModels": custom_models.list_bases,
    "GetCustomModel": custom_models.get_model,
    "ListCustomModels": custom_models.list_models,
    "DeleteCustomModel": custom_models.delete_model,
    "CreateCustomModelDeployment": deployments.create,
    "GetCustomModelDeployment": deployments.get,
    "ListCustomModelDeployments": deployments.list_deployments,
    "UpdateCustomModelDeployment": deployments.update,
    "DeleteCustomModelDeployment": deployments.delete,
    "Converse": converse,
}
STREAM = "ConverseStream"
_log = logging.getLogger("trainer")


async def answer_call(request: Request, call: OperationCall, trainer: Context) -> Response:
    """Answer a request for one of Bedrock's operations."""
    request_id = secrets.token_hex(16)
    body = await request.body()
    try:
        return await run_in_threadpool(_answer, request, call, trainer, body, request_id)
    except Exception:  # noqa: BLE001 - the wire's entry point: a bug is logged, and answered as AWS would
        _log.exception("Answering %s failed.", call.operation.name)
        return error_response(INTERNAL, "The trainer failed; its log says why.", 500, request_id)


def _answer(request: Request, call: OperationCall, trainer: Context, body: bytes, request_id: str) -> Response:
    try:
        return _authorized_answer(request, call, trainer, body, request_id)
    except AwsRefusalError as refusal:
        return _refusal_response(call, refusal, request_id)


def _authorized_answer(
    request: Request, call: OperationCall, trainer: Context, body: bytes, request_id: str
) -> Response:
    context = RequestContext(trainer, signed_region(request.headers.getlist("authorization")))
    name = call.operation.name
    if name == STREAM:
        events = converse_stream(context, read_request(call, request.query_params, body))
        shape = cast("StructureShape", call.operation.get_event_stream_output())
        return StreamingResponse(iter(list(encode_events(events, shape))), media_type=MEDIA_TYPE)
    handler = HANDLERS.get(name)
    if handler is None:
        raise AwsRefusalError(UNKNOWN, f"This server does not have the operation {name}.")
    return write_response(call.operation, handler(context, read_request(call, request.query_params, body)), request_id)


def _refusal_response(call: OperationCall, refusal: AwsRefusalError, request_id: str) -> Response:
    """Write a refusal with the status of its exception; an exception that the operation doesn't declare is a bug."""
    if refusal.name == UNKNOWN:
        return error_response(UNKNOWN, str(refusal), 404, request_id)
    statuses = {shape.name: shape.metadata["error"]["httpStatusCode"] for shape in call.operation.error_shapes}
    if refusal.name not in statuses:
        raise ModelBrokenError(f"{call.operation.name} can't answer with {refusal.name}.")
    return error_response(refusal.name, str(refusal), statuses[refusal.name], request_id)
