"""The shortcuts past moto: every call for rows answers, and fails, as it does the long way."""

from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.fast_moto import take_shortcuts
from tests.world import TABLE, build_table

KEY = {"pk": {"S": "p"}, "sk": {"S": "1"}}
ROW = {**KEY, "n": {"N": "1"}, "list_pk": {"S": "l"}, "list_sk": {"S": "1"}}
DEEP = {"M": {"a": {"L": [{"NULL": True}, {"BOOL": False}, {"S": "\u00e9"}]}, "s": {"SS": ["x", "y"]}}}
SET = {"UpdateExpression": "SET n = n + :one", "ExpressionAttributeValues": {":one": {"N": "1"}}}
ABSENT = {"ConditionExpression": "attribute_not_exists(pk)"}
TOO_LARGE = {**ROW, "text": {"S": "x" * 410_000}}


def put(sk: str, **more: Any) -> dict[str, Any]:
    return {"Put": {"TableName": TABLE, "Item": ROW | {"sk": {"S": sk}}, **more}}


def where(condition: str, value: str, **more: Any) -> dict[str, Any]:
    return {"KeyConditionExpression": condition, "ExpressionAttributeValues": {":p": {"S": value}}, **more}


UPDATE = {"Update": {"TableName": TABLE, "Key": KEY, **SET}}
DELETE = {"Delete": {"TableName": TABLE, "Key": {**KEY, "sk": {"S": "2"}}}}
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("put_item", {"Item": ROW}),
    ("put_item", {"Item": ROW, **ABSENT}),
    ("put_item", {"Item": ROW, **ABSENT, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}),
    ("put_item", {"Item": {**KEY, "deep": DEEP}, "ReturnValues": "ALL_OLD"}),
    ("put_item", {"Item": {**KEY, "bytes": {"B": b"\x00\xff"}}}),
    ("get_item", {"Key": KEY}),
    ("put_item", {"Item": TOO_LARGE}),
    ("put_item", {"Item": {**KEY, "n": {"N": "no number"}}}),
    ("put_item", {"Item": {**ROW, "sk": {"S": ""}}}),
    ("put_item", {"Item": ROW}),
    ("update_item", {"Key": KEY, **SET, "ReturnValues": "ALL_NEW"}),
    ("update_item", {"Key": KEY, **SET, "UpdateExpression": "SET n = nothing + :one"}),
    ("update_item", {"Key": {**KEY, "sk": {"S": "2"}}, **SET, "UpdateExpression": "ADD n :one"}),
    ("transact_write_items", {"TransactItems": [put("3"), UPDATE, put("2", **ABSENT)]}),
    ("scan", {}),
    ("transact_write_items", {"TransactItems": [put("3"), UPDATE, DELETE]}),
    ("transact_write_items", {"TransactItems": [put("1"), put("1")]}),
    ("query", where("pk = :p", "p", Limit=1)),
    ("query", where("list_pk = :p", "l", IndexName="by_time", ScanIndexForward=False)),
    ("put_item", {"Item": {**ROW, "pk": {"S": "q"}, "sk": {"S": "0"}, "list_sk": {"S": "0"}}}),
    ("put_item", {"Item": {**ROW, "pk": {"S": "o"}, "list_pk": {"S": "m"}}}),
    ("query", where("list_pk = :p", "l", IndexName="by_time")),
    ("query", where("list_pk = :p", "l", IndexName="by_time", Limit=1)),
    ("query", where("pk = :p AND begins_with(sk, :p)", "p")),
    ("query", where("pk = :p", "p", ScanIndexForward=False, ExclusiveStartKey={**KEY, "sk": {"S": "2"}})),
    ("query", where("pk = :p", "nobody")),
    ("query", where("nothing = :p", "p")),
    ("query", where("pk = :p", "p", Select="COUNT")),
    ("get_item", {"Key": KEY, "ProjectionExpression": "n", "ConsistentRead": True}),
    ("get_item", {"Key": {**KEY, "sk": {"S": "9"}}}),
    ("get_item", {"Key": {"pk": {"S": "p"}}}),
    ("delete_item", {"Key": KEY, "ReturnValues": "ALL_OLD"}),
    ("scan", {"Limit": 1}),
]


def answers() -> list[Any]:
    """What each call gives, or is refused with, one after the other on a new table."""
    client: Any = boto3.client("dynamodb")
    client.delete_table(TableName=TABLE)
    build_table()
    found = []
    for operation, arguments in CALLS:
        named = arguments if "TransactItems" in arguments else {"TableName": TABLE, **arguments}
        try:
            answer = getattr(client, operation)(**named)
        except ClientError as refusal:
            answer = refusal.response
        metadata = answer.pop("ResponseMetadata")
        found.append((operation, metadata["HTTPStatusCode"], answer))
    return found


@pytest.mark.usefixtures("world")
def test_the_shortcuts_give_what_the_long_way_gives(shortcuts: pytest.MonkeyPatch) -> None:
    quick = answers()

    shortcuts.undo()
    try:
        slow = answers()
    finally:
        take_shortcuts(shortcuts)

    assert quick == slow
    assert {status for _, status, _ in quick} == {200, 400}
