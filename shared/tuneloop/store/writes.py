"""Writes: the actions that a commit is made of, each with the condition that makes it its own lock."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

from pydantic import BaseModel

from tuneloop.domain.events import AnyEvent
from tuneloop.store import keys
from tuneloop.store.items import Item, attributes_of, to_item
from tuneloop.store.keys import Key

# How long an event's row stays after its state was stored: an event that never reached the bus can be found and sent
# again in that time (docs/security.md states it).
EVENTS_KEPT = timedelta(days=30)


class Write(Protocol):
    """One action of a transaction."""

    def action(self, table: str) -> Item:
        """The action as TransactWriteItems takes it."""
        ...


@dataclass(frozen=True)
class ConditionalPut:
    """Write an entity if its row still has the `seq` it was read with (0: if there is none yet).

    A first write may let the numbers begin after `begins`, where the events of a lost row may still be there.
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
    """Write an event beside the state whose write number `seq` it announces."""

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
    """Write a row that holds no `seq`, whatever is in its place."""

    key: Key
    entity: BaseModel

    def action(self, table: str) -> Item:
        """An unconditional put."""
        return {"Put": {"TableName": table, "Item": to_item(attributes_of(self.entity) | self.key._asdict())}}


@dataclass(frozen=True)
class ConditionalDelete:
    """Delete a row, which has to be there: else somebody else has come before."""

    key: Key

    def action(self, table: str) -> Item:
        """A conditional delete."""
        condition = {"ConditionExpression": "attribute_exists(pk)"}
        return {"Delete": {"TableName": table, "Key": to_item(self.key._asdict()), **condition}}


@dataclass(frozen=True)
class Increment:
    """Add amounts to a row's counters, making the row if need be; `after` is the `seq` it must have (0: none)."""

    key: Key
    amounts: dict[str, int | Decimal]
    after: int | None = None

    def action(self, table: str) -> Item:
        """An ADD, unconditional unless it is to come after a certain write."""
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
