"""Repeats: a call for a training run that its client sends again, told from a new wish.

A gateway cuts a call that takes too long, and SDKs repeat it by themselves; what the first one made may have failed by
then. A repeat is given the run that was given before, failed or not. It is one by an equal `Idempotency-Key`, or by
body and API key, both equal, within ten minutes, or within an hour where a count of retries comes along, as OpenAI's
SDKs send it. Without an `Idempotency-Key` it is none once the same body means other data.
"""

import re
from datetime import datetime, timedelta
from typing import NamedTuple

from pydantic import BaseModel

from tuneloop.domain.core.ids import Name, digest

# OpenAI's SDKs stop after two retries, each within seconds of a cut; a person who looks and asks anew takes longer.
SAME_BODY_WITHIN = timedelta(minutes=10)
# openai-python waits 600 s for each of three tries, and up to 120 s between them. A count of retries that comes later
# is that of another call, of which the first try never got here: a monthly job sends the same body each time.
RETRIED_WITHIN = timedelta(hours=1)
# As long as events are kept: a job queue that sends an `Idempotency-Key` again after a weekend still gets its run.
KEPT = timedelta(days=30)
RETRIES = re.compile("[0-9]{1,4}", re.ASCII)  # an SDK's counter; whatever is longer was sent by somebody else


class RunCall(NamedTuple):
    """A call for a run: by whose API key, for what (a hash of route and body), and what its headers say of repeats."""

    tenant: str
    api_key: str
    wanted: str
    idempotency_key: str | None = None
    is_retry: bool = False

    @property
    def id(self) -> str:
        """What the call has in common with its repeats; an `Idempotency-Key`, where there is one, decides alone."""
        if self.idempotency_key is not None:
            return digest("key", self.api_key, self.idempotency_key)
        return digest("body", self.api_key, self.wanted)

    @property
    def is_told_within(self) -> timedelta:
        """For how long the call is known as a repeat of one before by what its headers say."""
        return KEPT if self.idempotency_key is not None else RETRIED_WITHIN


class AnsweredCall(BaseModel):
    """The run that a call was answered with, and when."""

    tenant: Name
    id: str
    wanted: str
    run: Name
    at: datetime
    seq: int = 0


def retries_in(header: str | None) -> int:
    """How many times an SDK says that it has sent a call before; what is no such number says nothing."""
    return int(header) if header and RETRIES.fullmatch(header) else 0
