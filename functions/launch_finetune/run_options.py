"""Particulars: what a run may be asked for beyond a dataset and how to train, as OpenAI's jobs have it."""

from decimal import Decimal
from typing import NamedTuple

from tuneloop.domain.datasets.datasets import Dataset
from tuneloop.domain.exports.exports import export_id
from tuneloop.domain.training.runs import ControlledRun


class RunOptions(NamedTuple):
    """The model that is to get the version, another dataset that validates, a seed, and what was confirmed in advance.

    Up to `max_usd` nobody is asked again; `confirmed` where there is no sum to compare.
    """

    model: str | None = None
    validation: Dataset | None = None
    seed: int | None = None
    max_usd: Decimal | None = None
    confirmed: bool = False

    def of(self, run: ControlledRun) -> ControlledRun:
        """The run with these."""
        told: dict[str, object] = {"seed": self.seed, "max_usd": self.max_usd, "confirmed": self.confirmed}
        if self.model and self.model != run.model:
            told |= {"model": self.model, "model_is_named": True}
        if other := self.validation:
            export = export_id(other.tenant, other.id, other.revision, other.policy_at(other.revision))
            told |= {"validation_dataset": other.id, "validation_export": export}
            told["validation_revision"] = other.revision
        return run.model_copy(update=told)


NOTHING_MORE = RunOptions()
