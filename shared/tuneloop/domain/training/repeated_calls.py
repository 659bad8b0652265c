"""Repeated calls for a training run: how a call that its client sends again is told from a call for a new run.

A gateway cuts a call that takes too long, and SDKs then repeat the call by themselves. A repeat is answered with the
run that the first call made, even if the run has failed by then. A call is a repeat if its `Idempotency-Key` equals
that of an earlier one; or if its body and API key do within ten minutes, or within an hour where it carries a count of
retries, as OpenAI's SDKs send it. Without an `Idempotency-Key` a call is no repeat once the same body means other data.
"""

import re
from datetime import datetime, timedelta
from typing import NamedTuple

from pydantic import BaseModel

from tuneloop.domain.core.ids import Name, digest

# OpenAI's SDKs stop after two retries, each within seconds of a cut; a person who looks and calls again takes longer.
SAME_BODY_WITHIN = timedelta(minutes=10)
# openai-python waits 600 s for each of three tries, and up to 120 s between them. A retry that comes later belongs to
# another call, whose first try never got here: a monthly job sends the same body each time.
RETRIED_WITHIN = timedelta(hours=1)
# As long as events are kept: a job queue that sends an `Idempotency-Key` again after a weekend still gets its run.
KEPT = timedelta(days=30)
RETRIES = re.compile("[0-9]{1,4}", re.ASCII)  # an SDK's counter; whatever is longer was sent by somebody else


class RunCall(NamedTuple):
    """A call for a run: its API key, a hash of its route and body (`wanted`), and what its headers say of repeats."""

    tenant: str
    api_key: str
    wanted: str
    idempotency_key: str | None = None
    is_retry: bool = False

    @property
    def id(self) -> str:
        """The id that the call shares with its repeats; an `Idempotency-Key`, where there is one, decides alone."""
        if self.idempotency_key is not None:
            return digest("key", self.api_key, self.idempotency_key)
        return digest("body", self.api_key, self.wanted)

    @property
    def is_told_within(self) -> timedelta:
        """For how long after an equal call this call counts as its repeat, by what its headers say."""
        return KEPT if self.idempotency_key is not None else RETRIED_WITHIN


class AnsweredCall(BaseModel):
    """The run that a call was answered with, and when; `wanted` is the hash of the call's route and body."""

    tenant: Name
    id: str
    wanted: str
    run: Name
    at: datetime
    seq: int = 0


def retries_in(header: str | None) -> int:
    """How many times an SDK has sent a call before, by its header of retries; 0 for a header that is no such number."""
    return int(header) if header and RETRIES.fullmatch(header) else 0
