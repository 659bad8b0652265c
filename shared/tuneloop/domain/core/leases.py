"""Leases: one worker at a time on a row, and nobody locked out for ever when a worker dies.

A lease is taken by a conditional write of the row that carries it, so two takers can't both win.
"""

from datetime import datetime, timedelta

from pydantic import BaseModel


class Lease(BaseModel):
    """Who works on a row, and until when nobody else may."""

    owner: str
    until: datetime

    def is_held(self, now: datetime) -> bool:
        """Whether it still keeps others out."""
        return now < self.until


def lease(owner: str, now: datetime, seconds: float) -> Lease:
    """A lease for `owner` that runs out `seconds` from now."""
    return Lease(owner=owner, until=now + timedelta(seconds=seconds))
