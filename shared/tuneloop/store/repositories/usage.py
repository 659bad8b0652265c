"""Usage and feedback counters: sharded rows that are only added to, and a mark per batch so that none counts twice."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta

from pydantic import BaseModel

from tuneloop.domain.core.errors import Stale
from tuneloop.domain.core.ids import digest
from tuneloop.domain.serving.usage import Counters, UsageBatch, UsageRow, counter_changes, usage_counters
from tuneloop.store import keys
from tuneloop.store.dynamodb import ConditionalPut, Increment, PutOnce, Table

# Rows among which a model's counters of a day are spread, so that batches that come together seldom meet in one row.
# Each reader sums all of them, so their number is small.
SHARDS = 8
# A batch may be sent again as long as its dead letter lies, 14 days: until then its mark lets it count once.
MARKS_KEPT = timedelta(days=14)


class StoredFeedback(BaseModel):
    """The feedback on one inference, as far as it was counted."""

    rating: int | None = None
    corrected: bool = False
    at: datetime
    seq: int = 0


class _CounterRow(Counters):
    pk: str
    sk: str


class Usage:
    """The counters of every tenant."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def add(self, batch: UsageBatch, now: datetime) -> bool:
        """Count a batch of usage; False, and nothing counted, where the batch was counted before."""
        sums: dict[tuple[str, str, int], Counters] = defaultdict(Counters)
        for record in batch.records:
            slot = (record.model, record.at.date().isoformat(), record.version)
            sums[slot] = sums[slot] + usage_counters(record)
        shard = shard_of(batch.id)
        adds = [
            Increment(keys.usage(batch.tenant, *slot, shard), counter_changes(None, added))
            for slot, added in sums.items()
        ]
        try:
            self._table.commit(PutOnce(keys.usage_batch(batch.tenant, batch.id), now, MARKS_KEPT), *adds)
        except Stale:
            return False
        return True

    def rows(self, tenant: str, model: str, first_day: str, last_day: str) -> Iterator[UsageRow]:
        """The counters of a model's versions on each day (YYYY-MM-DD) from first to last, shards summed."""
        sums: dict[tuple[str, int], Counters] = defaultdict(Counters)
        for row in self._table.between(f"T#{tenant}#USAGE#{model}", first_day, f"{last_day}#~", _CounterRow):
            day, number, _ = row.sk.split("#")
            slot = (day, int(number))
            sums[slot] = sums[slot] + Counters.model_validate(row.model_dump(exclude={"pk", "sk"}))
        for (day, version), total in sorted(sums.items()):
            yield UsageRow(model=model, version=version, day=day, **total.model_dump())

    def find_feedback(self, tenant: str, inference: str) -> StoredFeedback | None:
        """The earlier feedback on an inference, if there was any."""
        return self._table.get(keys.feedback(tenant, inference), StoredFeedback)

    def replace_feedback(
        self,
        tenant: str,
        inference: str,
        feedback: StoredFeedback,
        slot: tuple[str, str, int],
        old: Counters | None,
        new: Counters,
    ) -> None:
        """Store feedback on an inference, and change the counters of its slot from the `old` ones to the `new`.

        A slot is (model, day, version). Stale where somebody else has stored feedback on the inference in between.
        """
        save = ConditionalPut(keys.feedback(tenant, inference), feedback)
        amounts = counter_changes(old, new)
        counters = [Increment(keys.usage(tenant, *slot, shard_of(inference)), amounts)] if amounts else []
        self._table.commit(save, *counters)


def shard_of(text: str) -> int:
    """The shard (0-7) of a batch's or inference's counters."""
    return int(digest(text)[:8], 16) % SHARDS
