"""Shortcuts past moto's and botocore's slow parts, each with the reason why no test can tell that it is taken.

Measured in December 2026: three quarters of the processor time of `tests/functions/evaluate` went into calls of moto,
most of it into how the emulator is reached (signatures, WSGI environments, two walks over the service's model) and into
copies of whole tables. Whatever a shortcut doesn't know (another service, bytes in an item, anything that the emulator
refuses) takes the long way, so that errors are moto's own to the last letter.
"""

import copy
import json
import threading
from base64 import b64encode
from functools import cache
from types import SimpleNamespace
from typing import Any

import botocore.session
import moto.core.models
import moto.core.responses
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSRequest
from botocore.loaders import JSONFileLoader, create_loader
from botocore.signers import RequestSigner
from botocore.useragent import UserAgentString
from moto.core.base_backend import BaseBackend
from moto.core.botocore_stubber import BotocoreStubber
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.core.responses import ActionResult
from moto.core.serialize import AttributePicker, AttributePickerContext
from moto.core.utils import camelcase_to_underscores, method_names_from_class
from moto.dynamodb import models
from moto.dynamodb.exceptions import ItemSizeTooLarge
from moto.dynamodb.models import dynamo_type, table
from moto.dynamodb.models.dynamo_type import DynamoType, Item, LimitedSizeDict
from moto.dynamodb.models.table import Table
from moto.dynamodb.models.utilities import dynamo_to_dict
from moto.dynamodb.responses import DynamoHandler, DynamoResult
from moto.sqs.models import sqs_backends

REGION = "us-east-1"
DYNAMODB = "https://dynamodb.us-east-1.amazonaws.com/"
ROWS = {  # what reads and writes rows; its results are JSON as they are, and none of it is about tables
    *("GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "Scan"),
    *("BatchGetItem", "BatchWriteItem", "TransactGetItems", "TransactWriteItems"),
}
BYTES = (b'"B":', b'"B" :', b'"BS":', b'"BS" :')
NOT_SIGNED = ("dynamodb", "sqs", "ssm", "events")  # S3's signer also says how a body is packed, which moto must know
SIGNATURE = "AWS4-HMAC-SHA256 Credential=test/20260101/{}/{}/aws4_request, SignedHeaders=host, Signature=0"
MOST_OF_AN_ITEM = 405_000  # moto's own bound in LimitedSizeDict


def is_empty(queue_url: str) -> bool:
    """Whether a queue has nothing to give now; most of the harness's looks into its queues find nothing."""
    queues = sqs_backends[DEFAULT_ACCOUNT_ID][REGION].queues
    return not queues[queue_url.rpartition("/")[2]].messages


def take_shortcuts(patch: pytest.MonkeyPatch) -> None:
    """Take all of them, until the patch is undone."""
    _read_once(patch)
    _leave_out_what_nobody_reads(patch)
    _answer_rows_directly(patch)
    _look_at_less(patch)
    _copy_less(patch)


def _read_once(patch: pytest.MonkeyPatch) -> None:
    """Service descriptions, a class's methods and a service's addresses stay as they are while a process runs.

    Moto gives each world a session of its own, which reads the descriptions again, and finds out the rest at each call.
    """
    read = cache(JSONFileLoader().load_file)
    patch.setattr(JSONFileLoader, "load_file", lambda _, path: read(path))
    patch.setattr(botocore.session, "create_loader", cache(create_loader))
    patch.setattr(moto.core.responses, "method_names_from_class", cache(method_names_from_class))
    urls: Any = vars(BaseBackend)["urls"].fget
    kept: dict[Any, Any] = {}

    def urls_of(backend: BaseBackend) -> Any:
        module = backend._url_module
        if module not in kept:
            kept[module] = urls(backend)
        return kept[module]

    patch.setattr(BaseBackend, "urls", property(urls_of))


def _leave_out_what_nobody_reads(patch: pytest.MonkeyPatch) -> None:
    """Moto checks no signature and reads no user agent; it takes the account and the region out of the header.

    Only requests to AWS's own hosts go without: a test's own server (the trainer's Bedrock wire) may check signatures.
    """
    sign = RequestSigner.sign

    def unsigned(signer: RequestSigner, operation_name: str, request: AWSRequest, *args: Any, **kwargs: Any) -> None:
        is_ours = not args and not kwargs and signer.signing_name in NOT_SIGNED
        if is_ours and ".amazonaws.com/" in str(request.url):
            request.headers["Authorization"] = SIGNATURE.format(signer.region_name, signer.signing_name)
        else:
            sign(signer, operation_name, request, *args, **kwargs)

    patch.setattr(RequestSigner, "sign", unsigned)
    patch.setattr(UserAgentString, "to_string", lambda _: "tests")
    # Thirteen hundred answers for each world to the library `requests`, by which nothing here calls AWS.
    patch.setattr(moto.core.models, "RESPONSES_METHODS", [])


def _answer_rows_directly(patch: pytest.MonkeyPatch) -> None:
    """Calls for rows go to moto's handler without a WSGI request; results become JSON without the service's model.

    The request is the JSON that botocore has checked against the model, and botocore reads the answer by the model
    again, so that the two walks in between change nothing but bytes, which are left to moto. A refusal has written
    nothing; it is asked for again the long way.
    """
    process, pick = BotocoreStubber.process_request, AttributePicker.__call__

    def direct(stubber: BotocoreStubber, request: AWSPreparedRequest) -> Any:
        target = request.headers.get("X-Amz-Target", b"")  # bytes, once botocore has prepared the request
        operation = (target.decode() if isinstance(target, bytes) else target).rpartition(".")[2]
        body: Any = request.body or b""
        if request.url != DYNAMODB or operation not in ROWS or any(mark in body for mark in BYTES):
            return process(stubber, request)
        handler = DynamoHandler()
        handler.body = handler.params = json.loads(body)
        handler.current_account, handler.region = DEFAULT_ACCOUNT_ID, REGION
        try:
            result = getattr(handler, _method_of(operation))().result
        except Exception:  # noqa: BLE001 - the long way says what it is
            return process(stubber, request)
        return 200, {"Content-Type": "application/x-amz-json-1.0"}, json.dumps(result, default=_plain)

    def quick(picker: AttributePicker, context: AttributePickerContext) -> Any:
        """The value of an attribute by its type's name alone: aliases take a fifth of the time of the long way."""
        of = getattr(context.shape, "parent", None)
        if of is not None and of.name == "AttributeValue" and type(context.obj) is dict:
            return context.obj.get(context.key)
        return pick(picker, context)

    plain = DynamoResult.execute_result

    def later(result: DynamoResult, context: Any) -> Any:
        result._result = dynamo_to_dict(result._result)
        return plain(result, context)

    patch.setattr(BotocoreStubber, "process_request", direct)
    patch.setattr(AttributePicker, "__call__", quick)
    patch.setattr(DynamoResult, "__init__", ActionResult.__init__)
    patch.setattr(DynamoResult, "execute_result", later)


def _look_at_less(patch: pytest.MonkeyPatch) -> None:
    """A query looks at the rows of its key, where moto sorts the whole table first; strings compare as they are.

    Moto checks and sorts once more what it was given, by the keys of index and table, which no two rows share.
    """
    query, all_items, cast = Table.query, Table.all_items, vars(DynamoType)["cast_value"].fget
    asked = threading.local()

    def query_its_own(held: Table, hash_key: DynamoType | None, *args: Any, **kwargs: Any) -> Any:
        keys, index = kwargs.get("hash_key_conditions"), args[6] if args[6:] else None
        if held.range_key_attr and keys:
            rows: Any = held.items.values() if index else [held.items.get(hash_key, {})]
            asked.rows = [row for some in rows for row in some.values() if _has_keys(row, keys)]
        try:
            return query(held, hash_key, *args, **kwargs)
        finally:
            asked.rows = None

    def rows_of(held: Table) -> list[Item]:
        rows: list[Item] | None = getattr(asked, "rows", None)
        return all_items(held) if rows is None else rows

    patch.setattr(Table, "query", query_its_own)
    patch.setattr(Table, "all_items", rows_of)
    patch.setattr(DynamoType, "cast_value", property(lambda of: of.value if of.type == "S" else cast(of)))


def _copy_less(patch: pytest.MonkeyPatch) -> None:
    """What moto copies, it copies only as deep as anything may change it.

    A transaction copied the whole table for each of its writes, to put it back if one fails; but writes replace a row
    or take it away, except for updates, which write into it and therefore get a copy of that row. A query copied the
    rows that it gives, which are turned into JSON before the next call. The size of a new row is added up once and not
    for each attribute.
    """
    update = models.DynamoDBBackend.update_item

    def update_a_copy(backend: Any, table_name: str, key: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        held = backend.tables.get(table_name)
        if held is not None and held.range_key_attr in key and held.hash_key_attr in key:
            rows = held.items.get(DynamoType(key[held.hash_key_attr]), {})
            place = DynamoType(key[held.range_key_attr])
            if place in rows:
                rows[place] = copy.deepcopy(rows[place])
        return update(backend, table_name, key, *args, **kwargs)

    def make(item: Item, hash_key: DynamoType, range_key: DynamoType | None, attrs: dict[str, Any]) -> None:
        item.hash_key, item.range_key, item.attrs = hash_key, range_key, LimitedSizeDict()
        dict.update(item.attrs, {name: DynamoType(value) for name, value in attrs.items()})
        if item.size() > MOST_OF_AN_ITEM:
            raise ItemSizeTooLarge

    patch.setattr(models.DynamoDBBackend, "update_item", update_a_copy)
    patch.setattr(models, "copy", SimpleNamespace(copy=copy.copy, deepcopy=_table_with_its_rows))
    patch.setattr(table, "copy", SimpleNamespace(copy=copy.copy, deepcopy=_rows_as_they_are))
    patch.setattr(dynamo_type.Item, "__init__", make)


@cache
def _method_of(operation: str) -> str:
    return camelcase_to_underscores(operation)


def _plain(value: Any) -> Any:
    """A row or an attribute as JSON has it."""
    if isinstance(value, DynamoType):
        return {value.type: value.value}
    return b64encode(value).decode() if isinstance(value, bytes) else value.to_json()


def _has_keys(row: Item, keys: list[tuple[str, DynamoType]]) -> bool:
    return all(name in row.attrs and row.attrs[name] == value for name, value in keys)


def _table_with_its_rows(value: Any) -> Any:
    if not isinstance(value, Table):
        return copy.deepcopy(value)
    kept = copy.copy(value)
    kept.items = copy.copy(value.items)
    kept.items.update({key: dict(rows) if isinstance(rows, dict) else rows for key, rows in value.items.items()})
    return kept


def _rows_as_they_are(value: Any) -> Any:
    is_rows = isinstance(value, Item) or (isinstance(value, list) and all(isinstance(row, Item) for row in value))
    return value if is_rows else copy.deepcopy(value)
