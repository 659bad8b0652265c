"""Repeated calls for a run: a repeat is answered with the run of the first call, any other call with a new attempt.

The answer is stored in the write that makes the run, so of two calls at once one makes it and both get it.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from pydantic import BaseModel

from tuneloop.domain.core.errors import InvalidInput
from tuneloop.domain.core.ids import digest
from tuneloop.domain.training.repeated_calls import RETRIED_WITHIN, SAME_BODY_WITHIN, AnsweredCall, RunCall, retries_in
from tuneloop.domain.training.runs import ControlledRun, RunStatus
from tuneloop.store.repositories.runs import Runs
from tuneloop.store.retry import retry_stale

HEADER = "idempotency-key"
NO_RUN_YET = "run"  # stands in a stored answer's place until its run has an id


def call_of(
    route: str, body: BaseModel, *, tenant: str, api_key: str, idempotency_key: str | None, retry_count: str | None
) -> RunCall:
    """The identity of a call, by which its repeats are known; what is left out of a body counts like its default."""
    content = json.dumps(body.model_dump(mode="json"), sort_keys=True)
    return RunCall(tenant, api_key, digest(route, content), idempotency_key, retries_in(retry_count) > 0)


class Attempt(NamedTuple):
    """How a run is to be asked for: `again` makes the next attempt after one that failed or was cancelled.

    `answering` is the call, to be stored with the run that it is given.
    """

    again: bool
    answering: AnsweredCall


@dataclass(frozen=True)
class RepeatableCall:
    """One call for a run, answered as its first try was.

    `is_same_by_body` says that an equal body makes it a repeat, `is_still_meant` whether its body would train a run's
    data now.
    """

    call: RunCall
    runs: Runs
    now: datetime
    is_same_by_body: bool = True
    is_still_meant: Callable[[ControlledRun], bool] = lambda _: True

    def answer(self, ask: Callable[[Attempt], ControlledRun]) -> ControlledRun:
        """The run that the call is answered with: that of the call that it repeats, else what `ask` gives.

        InvalidInput where its `Idempotency-Key` came with another request before.
        """

        def attempt() -> ControlledRun:
            """The run that an earlier call was given, else the one that is asked for now."""
            before = self.runs.find_answer(self.call.tenant, self.call.id)
            is_known = before is not None and self.now - before.at < self.call.is_told_within
            if before and is_known and (run := self._first_answer(before)):
                return run
            return self._ask(ask, before, is_known=is_known)

        # Each lost race was won by the same call, sent at the same time.
        return retry_stale(attempt, "The answer to this call")

    def _first_answer(self, before: AnsweredCall) -> ControlledRun | None:
        """The run that the first try was answered with, where the call is surely a repeat.

        With an `Idempotency-Key` that is so whatever has become of the dataset since, as a retry only while it is the
        same: a first try that never got here wanted what there is now.
        """
        if self.call.idempotency_key is not None and before.wanted != self.call.wanted:
            message = f"{HEADER}: came with another request before; send a new key with a new request."
            raise InvalidInput(message, param=HEADER, code="idempotency_key_reused")
        has_key = self.call.idempotency_key is not None
        run = self.runs.find(self.call.tenant, before.run) if has_key or self.call.is_retry else None
        return run if run and (has_key or self.is_still_meant(run)) else None

    def _ask(
        self, ask: Callable[[Attempt], ControlledRun], before: AnsweredCall | None, *, is_known: bool
    ) -> ControlledRun:
        is_close = before is not None and self.now - before.at < SAME_BODY_WITHIN
        answering = AnsweredCall(
            tenant=self.call.tenant,
            id=self.call.id,
            wanted=self.call.wanted,
            run=before.run if before else NO_RUN_YET,
            at=before.at if before and is_close else self.now,
            seq=before.seq if before else 0,
        )
        is_same = is_close and self.is_same_by_body
        if not is_same and not is_known and self.call.is_retry and self.call.idempotency_key is None:
            # The first try never got here, or came from an older version of this code, or under another key: what it
            # made then is a young attempt.
            run = ask(Attempt(again=False, answering=answering))
            if run.is_open or run.status == RunStatus.SUCCEEDED or self.now - run.created_at < RETRIED_WITHIN:
                return run
            answering = answering.model_copy(update={"seq": answering.seq + 1})
        try:
            return ask(Attempt(again=not is_same, answering=answering))
        except InvalidInput:  # what made the run fail is known by now, and would refuse its repeat at the door
            first = self.runs.find(self.call.tenant, before.run) if before and is_same else None
            if first and self.is_still_meant(first):
                return first
            raise
