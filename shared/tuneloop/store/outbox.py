"""The outbox: events wait here, beside the state that they announce, until they are on the bus."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from tuneloop.domain.events import SOURCE
from tuneloop.observability import log_failure
from tuneloop.store import keys
from tuneloop.store.dynamodb import Table, from_item, to_item

if TYPE_CHECKING:
    from types_boto3_events.client import EventBridgeClient

# The most that PutEvents takes in a call.
ENTRIES_PER_CALL = 10


class OutboxRow(BaseModel):
    """One event on its way to the bus."""

    pk: str
    sk: str
    event_type: str
    detail: str
    sweep_sk: datetime

    @classmethod
    def from_stream(cls, image: dict[str, Any]) -> "OutboxRow":
        """The row in a stream record's new image."""
        return cls.model_validate(from_item(image))


class _StoredRow(BaseModel):
    model_config = ConfigDict(extra="allow")


class Outbox:
    """The events that are not on the bus yet."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def backlog(self, before: datetime) -> Iterator[OutboxRow]:
        """Events that were stored before a time and are not on the bus, oldest first.

        A row that can't be read is logged and skipped, so that it holds no other up.
        """
        for stored in self._table.all(keys.UNRELAYED, _StoredRow, index=keys.SWEEP):
            try:
                row = OutboxRow.model_validate(stored.model_extra)
            except ValidationError as error:
                log_failure(error)
                continue
            if row.sweep_sk >= before:
                return
            yield row

    def mark_relayed(self, row: OutboxRow) -> None:
        """Take an event that is on the bus out of the sweep; its row expires by itself."""
        self._table.client.update_item(
            TableName=self._table.name,
            Key=to_item({"pk": row.pk, "sk": row.sk}),
            UpdateExpression="REMOVE sweep_pk, sweep_sk",
            ConditionExpression="attribute_exists(pk)",
        )


class Bus:
    """The event bus that functions and users' own rules listen to."""

    def __init__(self, client: "EventBridgeClient", name: str) -> None:
        self._client = client
        self._name = name

    def put(self, rows: Sequence[OutboxRow]) -> list[OutboxRow]:
        """Send events in calls of ten; returns those that the bus accepted."""
        accepted: list[OutboxRow] = []
        for start in range(0, len(rows), ENTRIES_PER_CALL):
            batch = rows[start : start + ENTRIES_PER_CALL]
            response = self._client.put_events(Entries=[self._entry(row) for row in batch])  # type: ignore[misc]
            results = response["Entries"]
            accepted += [row for row, result in zip(batch, results, strict=True) if "ErrorCode" not in result]
        return accepted

    def _entry(self, row: OutboxRow) -> dict[str, str]:
        return {"EventBusName": self._name, "Source": SOURCE, "DetailType": row.event_type, "Detail": row.detail}
