"""Votes' rows: one for each prompt and voter, with the answer that the voter last said is right."""

from tuneloop.domain.datasets.votes import Vote
from tuneloop.store import keys
from tuneloop.store.dynamodb import ConditionalPut, Table
from tuneloop.store.retry import retry_stale


class Votes:
    """The votes of every tenant's subjects."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def cast(self, vote: Vote) -> None:
        """Store a vote in place of the voter's earlier one on the prompt; a stored vote that is younger stays."""
        key = keys.vote(vote.tenant, vote.dataset, vote.unit, vote.voter)

        def cast() -> None:
            """One try; Stale where the subject has voted on the prompt once more in between."""
            before = self._table.get(key, Vote)
            is_repeated = before and before.inference == vote.inference and before.answer == vote.answer
            if not is_repeated and not (before and before.at > vote.at):
                self._table.commit(ConditionalPut(key, vote.instead_of(before) if before else vote))

        retry_stale(cast, "What this subject says of the prompt")

    def on(self, tenant: str, dataset: str, unit: str) -> list[Vote]:
        """All votes on one prompt, by voter."""
        place = keys.vote(tenant, dataset, unit, "").pk
        return list(self._table.between(place, f"{unit}#", f"{unit}#~", Vote))
