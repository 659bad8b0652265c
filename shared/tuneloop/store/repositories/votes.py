"""Votes: what each subject last said is the right answer to a prompt, a row for each."""

from tuneloop.domain.datasets.votes import Vote
from tuneloop.store import keys
from tuneloop.store.dynamodb import ConditionalPut, Table
from tuneloop.store.retry import retry_stale


class Votes:
    """The votes of every tenant's subjects."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def cast(self, vote: Vote) -> None:
        """Store a vote in place of what its voter said before, unless that was said later."""
        key = keys.vote(vote.tenant, vote.dataset, vote.unit, vote.voter)

        def cast() -> None:
            """One try; anew where the same subject said something else in between."""
            before = self._table.get(key, Vote)
            is_told = before and before.inference == vote.inference and before.answer == vote.answer
            if not is_told and not (before and before.at > vote.at):
                self._table.commit(ConditionalPut(key, vote.instead_of(before) if before else vote))

        retry_stale(cast, "What this subject says of the prompt")

    def on(self, tenant: str, dataset: str, unit: str) -> list[Vote]:
        """All votes on one prompt, by voter."""
        place = keys.vote(tenant, dataset, unit, "").pk
        return list(self._table.between(place, f"{unit}#", f"{unit}#~", Vote))
