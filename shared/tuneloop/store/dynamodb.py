"""The one DynamoDB table: consistent reads, pages, and writes that are their own lock.

Every stored thing carries `seq`, the number of its writes. A write names the `seq` it saw and fails as `Stale` when
somebody else wrote in between; several writes and the events that announce them are one transaction.
"""

import base64
import json
import random
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from botocore.exceptions import ClientError
from pydantic import BaseModel

from tuneloop.domain.core.errors import InvalidInput, Stale
from tuneloop.store.items import Item, from_item, to_item
from tuneloop.store.keys import BY_TIME, Key
from tuneloop.store.writes import Write

if TYPE_CHECKING:
    from types_boto3_dynamodb.client import DynamoDBClient

# DynamoDB refuses a transaction while another one writes a row of it, though no condition failed, so the same writes
# are sent again after 10 to 100 ms: less than a second of pauses in all, within the time of an answer.
CONFLICT_TRIES = 8
# What DynamoDB calls a start key that it can't read: a cursor that somebody has changed.
NO_KEY = {"Validation", "Serialization"}
M = TypeVar("M", bound=BaseModel)


class Listing(NamedTuple, Generic[M]):
    """One page of things, and the cursor of the next page where there is one."""

    data: list[M]
    cursor: str | None


class Table:
    """The table as the stores use it."""

    def __init__(self, client: "DynamoDBClient", name: str) -> None:
        self.client = client
        self.name = name

    def get(self, key: Key, kind: type[M]) -> M | None:
        """The entity at a key, read consistently."""
        found = self.client.get_item(TableName=self.name, Key=to_item(key._asdict()), ConsistentRead=True).get("Item")
        return kind.model_validate(from_item(found)) if found else None

    def holds(self, key: Key) -> bool:
        """Whether there is a row at a key, whatever it holds."""
        return "Item" in self.client.get_item(TableName=self.name, Key=to_item(key._asdict()), ConsistentRead=True)

    def commit(self, *writes: Write) -> None:
        """All of the writes or none; Stale when a condition no longer holds."""
        actions = [write.action(self.name) for write in writes]
        resent = False
        for left in reversed(range(CONFLICT_TRIES)):
            try:
                self._send(actions)
            except ClientError as error:
                resent = resent or _was_resent(error)
                codes = refusals(error)
                if "ConditionalCheckFailed" in codes:
                    if resent and _is_stored(actions, error):
                        return  # an earlier sending of this very put was applied, and its answer got lost
                    raise Stale("Somebody else changed this at the same time. Read it again and retry.") from error
                if "TransactionConflict" not in codes or not left:
                    raise
            else:
                return
            time.sleep(random.uniform(0.01, 0.1))  # noqa: S311 - jitter between rivals

    def _send(self, actions: list[Item]) -> None:
        if len(actions) == 1 and "Put" in actions[0]:
            self.client.put_item(**actions[0]["Put"], ReturnValuesOnConditionCheckFailure="ALL_OLD")
        else:  # carries a token by which a repetition is known, so that nothing is added twice
            self.client.transact_write_items(TransactItems=actions)  # type: ignore[arg-type]

    def page(
        self,
        partition: str,
        kind: type[M],
        *,
        index: str | None = None,
        prefix: str = "",
        before: str = "",
        limit: int = 1000,
        cursor: str | None = None,
        newest_first: bool = False,
    ) -> Listing[M]:
        """One page of a partition, of the table or of one of its indexes, by sort key; of a prefix, or before a key."""
        if prefix:
            part = _query(partition, index, "begins_with(#sk, :prefix)", prefix=prefix)
        else:
            part = _query(partition, index, "#sk < :before", before=before) if before else _query(partition, index)
        query = part | {"Limit": limit, "ScanIndexForward": not newest_first}
        if cursor:
            query["ExclusiveStartKey"] = _decode(cursor, partition, index, prefix)
        try:
            answer = self.client.query(TableName=self.name, **query)
        except ClientError as error:
            if cursor and refusals(error) & NO_KEY:  # well-formed, and yet no key that the table could begin after
                raise bad_cursor() from error
            raise
        last = answer.get("LastEvaluatedKey")
        return Listing([kind.model_validate(from_item(item)) for item in answer["Items"]], _encode(last))

    def pages(self, partition: str, kind: type[M], *, before: str = "", limit: int, cursor: str | None) -> Iterator[M]:
        """Every entity of a partition behind a cursor, before a key if there is one, so many to a query."""
        return each_page(lambda at: self.page(partition, kind, before=before, limit=limit, cursor=at), cursor)

    def newest(self, partition: str, kind: type[M], limit: int, cursor: str | None) -> Listing[M]:
        """A page of a partition of the newest-first index."""
        return self.page(partition, kind, index=BY_TIME, limit=limit, cursor=cursor, newest_first=True)

    def all(self, partition: str, kind: type[M], *, index: str | None = None) -> Iterator[M]:
        """Every entity of a partition, page after page."""
        yield from self._each(_query(partition, index), kind)

    def between(self, partition: str, first: str, last: str, kind: type[M]) -> Iterator[M]:
        """Every entity of a partition whose sort key lies between two texts, both included, page after page."""
        yield from self._each(_query(partition, None, "#sk BETWEEN :first AND :last", first=first, last=last), kind)

    def _each(self, query: Item, kind: type[M]) -> Iterator[M]:
        for page in self.client.get_paginator("query").paginate(TableName=self.name, **query):
            yield from (kind.model_validate(from_item(item)) for item in page["Items"])


def each_page(page_at: Callable[[str | None], Listing[M]], cursor: str | None = None) -> Iterator[M]:
    """All that is listed behind a cursor; a page is read once somebody looks at what is on it."""
    while True:
        page = page_at(cursor)
        yield from page.data
        if (cursor := page.cursor) is None:
            return


PARTITION_KEYS = {None: ("pk", "sk"), "sweep": ("sweep_pk", "sweep_sk"), "by_time": ("list_pk", "list_sk")}


def _query(partition: str, index: str | None, condition: str = "", **values: str) -> Item:
    pk, sk = PARTITION_KEYS[index]
    names = {"#pk": pk} | ({"#sk": sk} if condition else {})
    query: Item = {
        "KeyConditionExpression": "#pk = :pk" + (f" AND {condition}" if condition else ""),
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": to_item({":pk": partition, **{f":{name}": text for name, text in values.items()}}),
    }
    return query | ({"IndexName": index} if index else {"ConsistentRead": True})


def _encode(last: Any) -> str | None:
    return base64.urlsafe_b64encode(json.dumps(from_item(last)).encode()).decode() if last else None


def _decode(cursor: str, partition: str, index: str | None, prefix: str) -> Item:
    """The start key in a cursor; a cursor of another listing is refused, so none leads into another tenant's rows."""
    try:
        start = json.loads(base64.urlsafe_b64decode(cursor))
    except (ValueError, RecursionError) as error:
        raise bad_cursor() from error
    pk, sk = PARTITION_KEYS[index]
    if not isinstance(start, dict) or start.keys() != {"pk", "sk", pk, sk} or start[pk] != partition:
        raise bad_cursor()
    if not all(isinstance(value, str) for value in start.values()) or not start[sk].startswith(prefix):
        raise bad_cursor()
    return to_item(start)


def position_of(cursor: str, partition: str) -> str:
    """The sort key behind which a cursor of a partition goes on; InvalidInput where it is no such cursor."""
    return str(from_item(_decode(cursor, partition, None, ""))["sk"])


def cursor_behind(key: Key, index: dict[str, str]) -> str:
    """The cursor of what comes behind a row in an index, by its key and what puts it into the index."""
    return base64.urlsafe_b64encode(json.dumps({**key._asdict(), **index}).encode()).decode()


def bad_cursor() -> InvalidInput:
    """The refusal of a cursor that no page of the listing has given."""
    return InvalidInput("`cursor` must be the `next_cursor` of an answer from this same listing.", param="cursor")


def refusals(error: ClientError) -> set[str]:
    """AWS's words for why it refused a call, those for each action of a transaction included."""
    details: Any = error.response
    codes = {reason.get("Code", "") for reason in details.get("CancellationReasons", [])}
    return codes | {details["Error"]["Code"].removesuffix("Exception")}


def _was_resent(error: ClientError) -> bool:
    """Whether botocore had sent the request before: else a row that is like ours is a rival's all the same."""
    details: Any = error.response
    return bool(details.get("ResponseMetadata", {}).get("RetryAttempts"))


def _is_stored(actions: list[Item], error: ClientError) -> bool:
    """Whether the row that a single put found in its place is exactly what it would have written."""
    details: Any = error.response
    return "Item" in details and from_item(details["Item"]) == from_item(actions[0]["Put"]["Item"])
