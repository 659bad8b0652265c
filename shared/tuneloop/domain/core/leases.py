"""Leases: one worker at a time on a row until a stated time, so that a worker that dies locks nobody out forever.

A lease is taken by a conditional write of the row that carries it, so that of two workers only one gets it.
How long a lease lasts is said where it is taken.
"""

from datetime import datetime

from pydantic import BaseModel


class Lease(BaseModel):
    """A worker's exclusive right to a row, until a stated time."""

    owner: str
    until: datetime

    def is_held(self, now: datetime) -> bool:
        """Whether the lease still keeps other workers out."""
        return now < self.until
