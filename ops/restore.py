"""`make restore STAGE=prod FROM=table`: makes a stage's table what a restored one holds, on a loop that stands still.

Rows that differ are put, rows that came since are deleted, but for those of which `rewind` says otherwise. The two
tables are compared page by page, so it can be broken off and begun again anywhere, and a second time changes nothing.
"""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple

from ops.console import CommandRefused, ask, count_of, say
from ops.pause import LONGEST_S, is_halted, read_halted, running_parts
from ops.restore_rows import Row, restored_row
from ops.stage_access import DeployedStage

READ_AT_ONCE, WRITTEN_AT_ONCE = 100, 25  # DynamoDB's limits for one call
TRIES = 10
LONGEST_PAUSE_S = 20.0
MEANS = """What was collected, trained, decided and counted since that moment is forgotten, but for this:
  - tenants and API keys stay as they are now: what is revoked stays revoked, what was made since goes on working;
  - events that were sent before are not sent again;
  - datasets and models that were made since stay, empty, and revisions and versions count on from where they are now;
  - objects in the bucket, and files, jobs and models at the provider, stay. Files that were dropped within the last 24
    hours, and are not known to the table any more, are read again once the loop goes on: delete what is not wanted."""


class RowChange(NamedTuple):
    """A row to put, or the key of one to delete."""

    put: Row | None
    key: Row


def restore_table(deployed: DeployedStage, source: str, *, confirm: str) -> None:
    """Say what will change, have the stage's name typed, then change it."""
    name, table = deployed.stage.name, deployed.output("TableName")
    client = deployed.client("dynamodb")
    _refuse_another_kind(client, source, table)
    _refuse_a_running_loop(deployed)
    todo = Counter("put" if change.put else "deleted" for change in changes(client, source, table))
    if not todo:
        say(f"Table {table} is what {source} holds: there is nothing to do.")
        return
    say(f"Table {table} becomes what {source} holds:", style="bold")
    say(f"  {count_of(todo['put'], 'row')} to put, {count_of(todo['deleted'], 'row')} to delete")
    say(MEANS)
    if (confirm or ask(f"Type {name} to go on:")) != name:
        raise CommandRefused("Nothing was changed: the stage's name was not typed (or given as CONFIRM=name).")
    write(client, table, changes(client, source, table))
    say(f"Table {table} is set back. Let the loop go on, then delete the restored table, which costs what it holds:")
    say(f"  make start STAGE={name}\n  aws dynamodb delete-table --table-name {source}")


def changes(client: Any, source: str, table: str) -> Iterator[RowChange]:
    """What has to be written to `table` for it to be what `source` holds."""
    for then in _pages(client, source):
        now = _rows(client, table, then.values())
        for at, row in then.items():
            yield from _change(row, now.get(at))
    for now in _pages(client, table):
        then = _rows(client, source, now.values())
        for at, row in now.items():
            if at not in then:
                yield from _change(None, row)


def write(client: Any, table: str, todo: Iterable[RowChange]) -> None:
    """Put and delete in batches; what DynamoDB leaves for later is sent again, ever more slowly."""
    left = iter(todo)
    while batch := list(islice(left, WRITTEN_AT_ONCE)):
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


def _change(then: Row | None, now: Row | None) -> Iterator[RowChange]:
    wanted, found = restored_row(then, now), then or now or {}
    if wanted != now:
        yield RowChange(wanted, _key(found))


def _pages(client: Any, table: str) -> Iterator[dict[tuple[str, str], Row]]:
    for page in client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True):
        yield {_at(row): row for row in page["Items"]}


def _rows(client: Any, table: str, like: Iterable[Row]) -> dict[tuple[str, str], Row]:
    """The rows of a table at the keys of others."""
    found: dict[tuple[str, str], Row] = {}
    wanted = [_key(row) for row in like]
    for start in range(0, len(wanted), READ_AT_ONCE):
        found |= {_at(row): row for row in _read(client, table, wanted[start : start + READ_AT_ONCE])}
    return found


def _read(client: Any, table: str, wanted: Sequence[Row]) -> Iterator[Row]:
    for pause_s in _pauses():
        answer = client.batch_get_item(RequestItems={table: {"Keys": wanted, "ConsistentRead": True}})
        yield from answer["Responses"].get(table, [])
        if not (wanted := answer["UnprocessedKeys"].get(table, {}).get("Keys", [])):
            return
        time.sleep(pause_s)
    raise CommandRefused(f"DynamoDB does not give all rows of {table} now. Run it again.")


def _pauses() -> Iterator[float]:
    return (min(LONGEST_PAUSE_S, 0.1 * 2**attempt) for attempt in range(TRIES))


def _key(row: Row) -> Row:
    return {"pk": row["pk"], "sk": row["sk"]}


def _at(row: Row) -> tuple[str, str]:
    return row["pk"]["S"], row["sk"]["S"]


def _refuse_another_kind(client: Any, source: str, table: str) -> None:
    if not source or source == table:
        raise CommandRefused(f"From which table? FROM={table}-restored, the one that was restored beside {table}.")
    try:
        found = client.describe_table(TableName=source)["Table"]
    except client.exceptions.ResourceNotFoundException:
        raise CommandRefused(f"There is no table {source} in this account and region.") from None
    if found["TableStatus"] != "ACTIVE":
        raise CommandRefused(f"Table {source} is {found['TableStatus']}: wait until it is ACTIVE.")
    if [each["AttributeName"] for each in found["KeySchema"]] != ["pk", "sk"]:
        raise CommandRefused(f"Table {source} is not one of Tuneloop's: its key is not pk and sk.")


def _refuse_a_running_loop(deployed: DeployedStage) -> None:
    name, halted = deployed.stage.name, read_halted(deployed)
    if halted is None or halted.since is None or not is_halted(running_parts(deployed)):
        raise CommandRefused(
            f"Stage {name} is running, and would write while its table is set back: make stop STAGE={name}"
        )
    over = halted.since + timedelta(seconds=LONGEST_S)
    if datetime.now(UTC) < over:
        raise CommandRefused(
            f"A function that was running when {name} was stopped may write until {over:%H:%M} UTC: wait."
        )
