"""Pausing: for how long a run leaves alone a provider that asked for it, so that no function ever sleeps for it."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from tuneloop.domain.core.errors import DAILY_LIMIT, ProviderUnavailable

NEXT_DAY_BEGINS = timedelta(minutes=5)  # so that no clock that is behind ours still has yesterday


class Pause(NamedTuple):
    """What a run waits for, and until when nobody is asked, if that is later than the next sweep."""

    waiting_for: str
    until: datetime | None


def pause_after(error: ProviderUnavailable, now: datetime) -> Pause:
    """The pause that a provider asks for: until the next day (UTC) where its daily limit is reached."""
    if error.code == DAILY_LIMIT:
        today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        until = today + timedelta(days=1) + NEXT_DAY_BEGINS
        return Pause(f"{error.message} The run waits until tomorrow, {until:%H:%M} UTC.", until)
    if error.retry_after_s:
        return Pause(error.message, now + timedelta(seconds=error.retry_after_s))
    return Pause(error.message, None)
