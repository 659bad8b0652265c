"""Statistics' rows: of each dataset what was counted last, so that asking again costs nothing until it changes."""

from contextlib import suppress

from pydantic import BaseModel

from tuneloop.domain.counts import Statistics
from tuneloop.domain.errors import Stale
from tuneloop.store import keys
from tuneloop.store.table import Table
from tuneloop.store.writes import Save


class Kept(BaseModel):
    """What was counted of a dataset, when so many erasures had been asked for: a row."""

    counted: Statistics
    erasures: int = 0
    seq: int = 0


class KeptStatistics:
    """What was last counted of the datasets of every tenant."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def find(self, tenant: str, dataset: str) -> Kept | None:
        """What was counted last, at whatever revision that was."""
        return self._table.get(keys.statistics(tenant, dataset), Kept)

    def keep(self, tenant: str, dataset: str, kept: Kept) -> None:
        """Store a count in place of the one before, unless somebody else did meanwhile: his is as good."""
        with suppress(Stale):
            self._table.commit(Save(keys.statistics(tenant, dataset), kept))
