"""The command that sets a stopped stage's table back to a restored one: `make restore STAGE=prod FROM=table`.

Rows that differ are put, and rows that are newer are deleted, except for those that `restore_rows` keeps or changes.
The two tables are compared page by page, so the command can be interrupted and run again; a second run changes nothing.
"""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple

from ops.console import CommandRefused, ask, count_of, say
from ops.pause import LONGEST_INVOCATION_S, is_halted, read_halted, running_parts
from ops.restore_rows import Row, restored_row
from ops.stage_access import DeployedStage

READ_BATCH, WRITE_BATCH = 100, 25  # DynamoDB's limits for one batch call
# A throttled batch is sent again after 0.1 s, 0.2 s and so on up to 20 s: about a minute in all, after which the
# operator is told instead of kept waiting.
ATTEMPTS = 10
MAX_PAUSE_S = 20.0
CONSEQUENCES = """What was collected, trained, decided and counted since that moment is forgotten, but for this:
  - tenants and API keys stay as they are now: what is revoked stays revoked, what was made since goes on working;
  - events that were sent before are not sent again;
  - datasets and models that were made since stay, empty, and revisions and versions count on from where they are now;
  - objects in the bucket, and files, jobs and models at the provider, stay. Files that were dropped within the last 24
    hours, and are not known to the table any more, are read again once the loop goes on: delete what is not wanted."""


class RowChange(NamedTuple):
    """One change of the table: the row to put, or None to delete the row at `key`."""

    put: Row | None
    key: Row


def restore_table(deployed: DeployedStage, source: str, *, confirm: str) -> None:
    """Say what will change, ask for the stage's name, then change the table to what the table `source` holds.

    CommandRefused where `source` is no restored table, the stage is not stopped, or its name was not given.
    """
    name, table = deployed.stage.name, deployed.output("TableName")
    client = deployed.client("dynamodb")
    _require_restored_table(client, source, table)
    _require_stopped_stage(deployed)
    counts = Counter("put" if change.put else "deleted" for change in row_changes(client, source, table))
    if not counts:
        say(f"Table {table} already holds what {source} holds: there is nothing to do.")
        return
    say(f"Table {table} becomes what {source} holds:", style="bold")
    say(f"  {count_of(counts['put'], 'row')} to put, {count_of(counts['deleted'], 'row')} to delete")
    say(CONSEQUENCES)
    if (confirm or ask(f"Type {name} to go on:")) != name:
        raise CommandRefused("Nothing was changed: the stage's name was not typed (or given as CONFIRM=name).")
    write_changes(client, table, row_changes(client, source, table))
    say(f"Table {table} is set back. Start the stage, then delete the restored table, which is billed by its size:")
    say(f"  make start STAGE={name}\n  aws dynamodb delete-table --table-name {source}")


def row_changes(client: Any, source: str, table: str) -> Iterator[RowChange]:
    """The changes that make `table` what `source` holds, as far as `restore_rows` wants that."""
    for earlier in _pages(client, source):
        current = _rows(client, table, earlier.values())
        for key, row in earlier.items():
            yield from _change(row, current.get(key))
    for current in _pages(client, table):
        earlier = _rows(client, source, current.values())
        for key, row in current.items():
            if key not in earlier:
                yield from _change(None, row)


def write_changes(client: Any, table: str, changes: Iterable[RowChange]) -> None:
    """Put and delete rows in batches; what DynamoDB did not process is sent again, after ever longer pauses.

    CommandRefused where it still takes none of a batch after `ATTEMPTS`.
    """
    pending = iter(changes)
    while batch := list(islice(pending, WRITE_BATCH)):
        requests = [
            {"PutRequest": {"Item": change.put}} if change.put else {"DeleteRequest": {"Key": change.key}}
            for change in batch
        ]
        for pause_s in _pauses():
            answer = client.batch_write_item(RequestItems={table: requests})
            if not (requests := answer["UnprocessedItems"].get(table, [])):
                break
            time.sleep(pause_s)
        else:
            raise CommandRefused(f"DynamoDB takes no more rows for {table} now. Run it again: it goes on where it was.")


def _change(earlier: Row | None, current: Row | None) -> Iterator[RowChange]:
    target = restored_row(earlier, current)
    if target != current:
        yield RowChange(target, _item_key(earlier or current or {}))


def _pages(client: Any, table: str) -> Iterator[dict[tuple[str, str], Row]]:
    for page in client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True):
        yield {_row_key(row): row for row in page["Items"]}


def _rows(client: Any, table: str, others: Iterable[Row]) -> dict[tuple[str, str], Row]:
    """The rows of a table that have the keys of `others`, by their keys."""
    rows: dict[tuple[str, str], Row] = {}
    keys = [_item_key(row) for row in others]
    for start in range(0, len(keys), READ_BATCH):
        rows |= {_row_key(row): row for row in _read_batch(client, table, keys[start : start + READ_BATCH])}
    return rows


def _read_batch(client: Any, table: str, keys: Sequence[Row]) -> Iterator[Row]:
    for pause_s in _pauses():
        answer = client.batch_get_item(RequestItems={table: {"Keys": keys, "ConsistentRead": True}})
        yield from answer["Responses"].get(table, [])
        if not (keys := answer["UnprocessedKeys"].get(table, {}).get("Keys", [])):
            return
        time.sleep(pause_s)
    raise CommandRefused(f"DynamoDB does not return all rows of {table} now. Run it again.")


def _pauses() -> Iterator[float]:
    return (min(MAX_PAUSE_S, 0.1 * 2**attempt) for attempt in range(ATTEMPTS))


def _item_key(row: Row) -> Row:
    """A row's key as DynamoDB takes it."""
    return {"pk": row["pk"], "sk": row["sk"]}


def _row_key(row: Row) -> tuple[str, str]:
    """A row's key as a key of a dictionary."""
    return row["pk"]["S"], row["sk"]["S"]


def _require_restored_table(client: Any, source: str, table: str) -> None:
    if not source or source == table:
        raise CommandRefused(f"From which table? FROM={table}-restored, the one that was restored beside {table}.")
    try:
        description = client.describe_table(TableName=source)["Table"]
    except client.exceptions.ResourceNotFoundException:
        raise CommandRefused(f"There is no table {source} in this account and region.") from None
    if description["TableStatus"] != "ACTIVE":
        raise CommandRefused(f"Table {source} is {description['TableStatus']}: wait until it is ACTIVE.")
    if [attribute["AttributeName"] for attribute in description["KeySchema"]] != ["pk", "sk"]:
        raise CommandRefused(f"Table {source} is not one of Tuneloop's: its key is not pk and sk.")


def _require_stopped_stage(deployed: DeployedStage) -> None:
    name, halted = deployed.stage.name, read_halted(deployed)
    if halted is None or halted.since is None or not is_halted(running_parts(deployed)):
        raise CommandRefused(
            f"Stage {name} is running, and would write while its table is set back: make stop STAGE={name}"
        )
    last_write = halted.since + timedelta(seconds=LONGEST_INVOCATION_S)
    if datetime.now(UTC) < last_write:
        raise CommandRefused(
            f"A function that was running when {name} was stopped may write until {last_write:%H:%M} UTC: wait."
        )
