"""The one DynamoDB table: consistent reads, pages, and writes that fail if the row has changed meanwhile.

Every stored entity carries `seq`, the number of its writes. A write names the `seq` that its writer read, and fails as
`Stale` if somebody else has written in between; several writes and the events that announce them are one transaction.

Attributes are native: floats travel as DynamoDB numbers and money as strings of exact decimals. DynamoDB's numbers lie
between 1e-130 and 1e126: a smaller one is stored as zero, a larger one as a string, which a float field reads alike.
"""

import json
import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, TypeVar

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError
from pydantic import BaseModel

from tuneloop.domain.core.errors import Stale
from tuneloop.domain.events import AnyEvent
from tuneloop.store import keys
from tuneloop.store.cursors import bad_cursor, decode_cursor, encode_cursor
from tuneloop.store.keys import BY_TIME, Key

if TYPE_CHECKING:
    from types_boto3_dynamodb.client import DynamoDBClient

Item = dict[str, Any]
M = TypeVar("M", bound=BaseModel)
# Well within the range of DynamoDB's numbers: a number's digits count against that range too.
SMALLEST, LARGEST = Decimal("1e-100"), Decimal("1e100")
# How long an event's row stays after its state was stored: an event that never reached the bus can be found and sent
# again in that time (docs/security.md states it).
EVENTS_KEPT = timedelta(days=30)
# DynamoDB refuses a transaction while another one writes a row of it, though no condition failed, so the same writes
# are sent again after 10 to 100 ms: less than a second of pauses in all, within the time of an answer.
CONFLICT_TRIES = 8
# The error codes by which DynamoDB refuses a start key that it can't read: a cursor that somebody has changed.
UNREADABLE_KEY = {"Validation", "Serialization"}
_serialize = TypeSerializer().serialize
_deserialize = TypeDeserializer().deserialize


def to_item(attributes: Mapping[str, Any]) -> Item:
    """Plain values as DynamoDB's typed attributes."""
    return {name: _serialize(value) for name, value in attributes.items()}


def from_item(item: Mapping[str, Any]) -> Item:
    """DynamoDB's typed attributes as plain values; a fraction at the top level (money) stays Decimal."""
    plain = {name: _deserialize(value) for name, value in item.items()}
    return {name: value if _is_fraction(value) else _plain(value) for name, value in plain.items()}


def attributes_of(entity: BaseModel) -> Item:
    """An entity's fields as storable values; a field that is None is left out."""
    fields: Item = json.loads(entity.model_dump_json(exclude_none=True), parse_float=_number)
    return fields


def _number(text: str) -> Decimal | str:
    """A float as DynamoDB can hold it: p-values may lie below the range of its numbers, a provider's figures above."""
    number = Decimal(text)
    if abs(number) > LARGEST:
        return text
    return number if abs(number) >= SMALLEST else Decimal(0)


def _is_fraction(value: Any) -> bool:
    return isinstance(value, Decimal) and value != value.to_integral_value()


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value) if _is_fraction(value) else int(value)
    if isinstance(value, list):
        return [_plain(part) for part in value]
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    return value


class Write(Protocol):
    """One action of a transaction."""

    def action(self, table: str) -> Item:
        """The action as TransactWriteItems takes it."""
        ...


@dataclass(frozen=True)
class ConditionalPut:
    """Put an entity if its row still has the `seq` that the entity was read with (0: if there is no row yet).

    The first write has the number `begins` + 1, so that the events of a lost row keep theirs. The row expires at
    `kept_until`, if a time is given.
    """

    key: Key
    entity: BaseModel
    index: dict[str, str] = field(default_factory=dict)
    begins: int = 0
    kept_until: datetime | None = None

    def action(self, table: str) -> Item:
        """A conditional put with the next `seq`."""
        seq: int = getattr(self.entity, "seq", 0)
        attributes = {**attributes_of(self.entity), **self.index, **self.key._asdict(), "seq": seq + 1}
        if self.kept_until:
            attributes["expires_at"] = int(self.kept_until.timestamp())
        if not seq:
            return _insert(table, attributes | {"seq": self.begins + 1})
        condition = {"ConditionExpression": "seq = :seq", "ExpressionAttributeValues": to_item({":seq": seq})}
        return {"Put": {"TableName": table, "Item": to_item(attributes), **condition}}


@dataclass(frozen=True)
class EmitEvent:
    """Put an event into the outbox; the event announces the write number `seq` of its aggregate."""

    event: AnyEvent
    seq: int
    at: datetime

    def action(self, table: str) -> Item:
        """An insert into the outbox, waiting to be relayed."""
        key = keys.event(self.event.tenant, self.event.aggregate, self.seq)
        attributes = {
            **key._asdict(),
            **keys.swept(keys.UNRELAYED, self.at),
            "event_type": self.event.type,
            "detail": self.event.model_dump_json(exclude_none=True),
            "expires_at": int((self.at + EVENTS_KEPT).timestamp()),
        }
        return _insert(table, attributes)


@dataclass(frozen=True)
class PutOnce:
    """Insert a marker row unless it exists; the commit raises Stale if it does. It expires after `kept`."""

    key: Key
    at: datetime
    kept: timedelta

    def action(self, table: str) -> Item:
        """An insert that expires."""
        attributes = {**self.key._asdict(), "expires_at": int((self.at + self.kept).timestamp())}
        return _insert(table, attributes)


@dataclass(frozen=True)
class Put:
    """Put a row that holds no `seq`, over whatever row has its key."""

    key: Key
    entity: BaseModel

    def action(self, table: str) -> Item:
        """An unconditional put."""
        return {"Put": {"TableName": table, "Item": to_item(attributes_of(self.entity) | self.key._asdict())}}


@dataclass(frozen=True)
class ConditionalDelete:
    """Delete a row; the commit raises Stale if there is none, since somebody else has deleted it."""

    key: Key

    def action(self, table: str) -> Item:
        """A conditional delete."""
        condition = {"ConditionExpression": "attribute_exists(pk)"}
        return {"Delete": {"TableName": table, "Key": to_item(self.key._asdict()), **condition}}


@dataclass(frozen=True)
class Increment:
    """Add amounts to a row's counters, creating a missing row; `after` is the `seq` it must have (0: no row)."""

    key: Key
    amounts: dict[str, int | Decimal]
    after: int | None = None

    def action(self, table: str) -> Item:
        """An ADD, conditional on the row's `seq` where `after` is given."""
        names = {f"#n{position}": name for position, name in enumerate(self.amounts)}
        values = {f":v{position}": amount for position, amount in enumerate(self.amounts.values())}
        parts = [f"#n{position} :v{position}" for position in range(len(self.amounts))]
        condition = {}
        if self.after is not None:
            condition = {"ConditionExpression": "seq = :after" if self.after else "attribute_not_exists(pk)"}
            values |= {":after": self.after} if self.after else {}
        return {
            "Update": {
                "TableName": table,
                "Key": to_item(self.key._asdict()),
                "UpdateExpression": "ADD " + ", ".join(parts),
                "ExpressionAttributeNames": names,
                "ExpressionAttributeValues": to_item(values),
                **condition,
            }
        }


def _insert(table: str, attributes: Item) -> Item:
    item = to_item(attributes)
    return {"Put": {"TableName": table, "Item": item, "ConditionExpression": "attribute_not_exists(pk)"}}


class Listing(NamedTuple, Generic[M]):
    """One page of entities, and the cursor of the next page where there is one."""

    data: list[M]
    cursor: str | None


class Table:
    """The table: reads of single rows, queries by partition, and conditional writes."""

    def __init__(self, client: "DynamoDBClient", name: str) -> None:
        self.client = client
        self.name = name

    def get(self, key: Key, kind: type[M]) -> M | None:
        """The entity at a key, read consistently; None where there is no row."""
        item = self.client.get_item(TableName=self.name, Key=to_item(key._asdict()), ConsistentRead=True).get("Item")
        return kind.model_validate(from_item(item)) if item else None

    def holds(self, key: Key) -> bool:
        """Whether there is a row at a key, whatever it holds."""
        return "Item" in self.client.get_item(TableName=self.name, Key=to_item(key._asdict()), ConsistentRead=True)

    def commit(self, *writes: Write) -> None:
        """Do all of the writes or none; Stale when a condition no longer holds."""
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
        else:  # boto3 adds a client token, by which DynamoDB knows a call that is sent again: nothing is added twice
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
        """One page of a partition of the table or of an index, by sort key.

        `prefix` limits it to sort keys that begin so, `before` to those that sort before one. InvalidInput for a cursor
        that no page of this listing gave.
        """
        if prefix:
            query = _query(partition, index, "begins_with(#sk, :prefix)", prefix=prefix)
        else:
            query = _query(partition, index, "#sk < :before", before=before) if before else _query(partition, index)
        query |= {"Limit": limit, "ScanIndexForward": not newest_first}
        if cursor:
            query["ExclusiveStartKey"] = to_item(decode_cursor(cursor, partition, index, prefix))
        try:
            response = self.client.query(TableName=self.name, **query)
        except ClientError as error:
            if cursor and refusals(error) & UNREADABLE_KEY:  # a well-formed cursor whose key no query can start from
                raise bad_cursor() from error
            raise
        last = response.get("LastEvaluatedKey")
        return Listing(
            [kind.model_validate(from_item(item)) for item in response["Items"]],
            encode_cursor(from_item(last)) if last else None,
        )

    def behind(self, partition: str, kind: type[M], *, before: str = "", limit: int, cursor: str | None) -> Iterator[M]:
        """The entities of a partition behind a cursor, before a sort key if given; a query reads `limit`."""
        return paginate(lambda at: self.page(partition, kind, before=before, limit=limit, cursor=at), cursor)

    def newest(self, partition: str, kind: type[M], limit: int, cursor: str | None) -> Listing[M]:
        """A page of a partition of the index `by_time`, newest first."""
        return self.page(partition, kind, index=BY_TIME, limit=limit, cursor=cursor, newest_first=True)

    def all(self, partition: str, kind: type[M], *, index: str | None = None) -> Iterator[M]:
        """Every entity of a partition, page after page."""
        yield from self._query_all(_query(partition, index), kind)

    def between(self, partition: str, first: str, last: str, kind: type[M]) -> Iterator[M]:
        """Every entity of a partition whose sort key lies between two texts, both included, page after page."""
        query = _query(partition, None, "#sk BETWEEN :first AND :last", first=first, last=last)
        yield from self._query_all(query, kind)

    def _query_all(self, query: Item, kind: type[M]) -> Iterator[M]:
        for page in self.client.get_paginator("query").paginate(TableName=self.name, **query):
            yield from (kind.model_validate(from_item(item)) for item in page["Items"])


def paginate(page_at: Callable[[str | None], Listing[M]], cursor: str | None = None) -> Iterator[M]:
    """Every entity of a listing behind a cursor; a page is read only once the first of its entities is asked for."""
    while True:
        page = page_at(cursor)
        yield from page.data
        if (cursor := page.cursor) is None:
            return


def _query(partition: str, index: str | None, condition: str = "", **values: str) -> Item:
    pk, sk = keys.INDEX_KEYS[index]
    names = {"#pk": pk} | ({"#sk": sk} if condition else {})
    query: Item = {
        "KeyConditionExpression": "#pk = :pk" + (f" AND {condition}" if condition else ""),
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": to_item({":pk": partition, **{f":{name}": text for name, text in values.items()}}),
    }
    return query | ({"IndexName": index} if index else {"ConsistentRead": True})


def refusals(error: ClientError) -> set[str]:
    """AWS's error codes of a refused call and of each action in it, with the suffix `Exception` removed."""
    details: Any = error.response
    codes = {reason.get("Code", "") for reason in details.get("CancellationReasons", [])}
    return codes | {details["Error"]["Code"].removesuffix("Exception")}


def _was_resent(error: ClientError) -> bool:
    """Whether botocore had sent the request before: only then can a row that equals ours be our own."""
    details: Any = error.response
    return bool(details.get("ResponseMetadata", {}).get("RetryAttempts"))


def _is_stored(actions: list[Item], error: ClientError) -> bool:
    """Whether the row that made a single put fail is exactly what the put would have written."""
    details: Any = error.response
    return "Item" in details and from_item(details["Item"]) == from_item(actions[0]["Put"]["Item"])
