"""Votes: what each subject last said is the right answer to a prompt, a row for each."""

from tuneloop.domain.core.errors import Stale
from tuneloop.domain.datasets.votes import Vote
from tuneloop.store import keys
from tuneloop.store.dynamodb import Table
from tuneloop.store.writes import ConditionalPut

TRIES = 5


class Votes:
    """The votes of every tenant's subjects."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def cast(self, vote: Vote) -> None:
        """Store a vote in place of what its voter said before, unless that was said later."""
        key = keys.vote(vote.tenant, vote.dataset, vote.unit, vote.voter)
        for _ in range(TRIES):
            before = self._table.get(key, Vote)
            if before and (
                before.at > vote.at or (before.inference == vote.inference and before.answer == vote.answer)
            ):
                return
            try:
                self._table.commit(ConditionalPut(key, vote.instead_of(before) if before else vote))
            except Stale:  # the same subject said something else in between
                continue
            return
        raise Stale("This subject corrects the same prompt too fast; try again.")

    def on(self, tenant: str, dataset: str, unit: str) -> list[Vote]:
        """All votes on one prompt, by voter."""
        place = keys.vote(tenant, dataset, unit, "").pk
        return list(self._table.between(place, f"{unit}#", f"{unit}#~", Vote))
