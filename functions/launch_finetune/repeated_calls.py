"""Answers calls for a run: a repeated call with the run of the first one, any other call with a new attempt.

The answer is stored in the write that makes the run: of two equal calls at once, one makes the run and both get it.
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
NO_RUN_YET = "run"  # stands in an answer for the id of its run until there is one


def call_of(
    route: str, body: BaseModel, *, tenant: str, api_key: str, idempotency_key: str | None, retry_count: str | None
) -> RunCall:
    """The identity of a call, by which its repeats are recognised; a field left out of the body equals its default."""
    content = json.dumps(body.model_dump(mode="json"), sort_keys=True)
    return RunCall(tenant, api_key, digest(route, content), idempotency_key, retries_in(retry_count) > 0)


class AttemptOptions(NamedTuple):
    """Options of a request for a run: `again` makes the next attempt after one that failed or was cancelled.

    `answering` is the call's answer, stored in the write of the run.
    """

    again: bool
    answering: AnsweredCall


@dataclass(frozen=True)
class RepeatableCall:
    """One call for a run; a repeat of an earlier call gets the earlier one's run.

    `is_same_by_body` says that an equal body makes a call a repeat; `is_still_meant`, whether the body asks for a given
    run still, as its dataset hasn't changed since.
    """

    call: RunCall
    runs: Runs
    now: datetime
    is_same_by_body: bool = True
    is_still_meant: Callable[[ControlledRun], bool] = lambda _: True

    def answer(self, request: Callable[[AttemptOptions], ControlledRun]) -> ControlledRun:
        """The run that answers the call: that of the call that it repeats, else the one that `request` returns.

        InvalidInput where its `Idempotency-Key` came with another request before.
        """

        def attempt() -> ControlledRun:
            """The run of an earlier call, else the one that is requested now; Stale where an equal call was faster."""
            stored = self.runs.find_answer(self.call.tenant, self.call.id)
            is_recent = stored is not None and self.now - stored.at < self.call.is_told_within
            if stored and is_recent and (run := self._first_answer(stored)):
                return run
            return self._request(request, stored, is_recent=is_recent)

        # Each lost race was won by the same call, sent at the same time.
        return retry_stale(attempt, "The answer to this call")

    def _first_answer(self, stored: AnsweredCall) -> ControlledRun | None:
        """The run that answered the first try, where the call is certainly a repeat; else None.

        A call with an `Idempotency-Key` is one even if the dataset has changed since. A retry without a key is one only
        while the dataset is unchanged: its first try may never have arrived, and then it means the dataset as it is.
        """
        if self.call.idempotency_key is not None and stored.wanted != self.call.wanted:
            message = f"{HEADER}: came with another request before; send a new key with a new request."
            raise InvalidInput(message, param=HEADER, code="idempotency_key_reused")
        has_key = self.call.idempotency_key is not None
        run = self.runs.find(self.call.tenant, stored.run) if has_key or self.call.is_retry else None
        return run if run and (has_key or self.is_still_meant(run)) else None

    def _request(
        self, request: Callable[[AttemptOptions], ControlledRun], stored: AnsweredCall | None, *, is_recent: bool
    ) -> ControlledRun:
        """Request a run: the next attempt, unless the call may repeat one of within `SAME_BODY_WITHIN`."""
        is_close = stored is not None and self.now - stored.at < SAME_BODY_WITHIN
        answering = AnsweredCall(
            tenant=self.call.tenant,
            id=self.call.id,
            wanted=self.call.wanted,
            run=stored.run if stored else NO_RUN_YET,
            at=stored.at if stored and is_close else self.now,
            seq=stored.seq if stored else 0,
        )
        is_same = is_close and self.is_same_by_body
        if not is_same and not is_recent and self.call.is_retry and self.call.idempotency_key is None:
            # A retry whose first try isn't stored: that one never arrived, or was handled by an older release, or came
            # with another API key. In the last two cases its run is a recent attempt, which this call is given too.
            run = request(AttemptOptions(again=False, answering=answering))
            if run.is_open or run.status == RunStatus.SUCCEEDED or self.now - run.created_at < RETRIED_WITHIN:
                return run
            answering = answering.model_copy(update={"seq": answering.seq + 1})
        try:
            return request(AttemptOptions(again=not is_same, answering=answering))
        except InvalidInput:
            # The checks may find by now what the run failed of, and would refuse its repeat instead of answering it.
            first = self.runs.find(self.call.tenant, stored.run) if stored and is_same else None
            if first and self.is_still_meant(first):
                return first
            raise
