"""Running an evaluation: ask part by part, keep count in the row, and hand over when time runs out.

A lease keeps a second delivery from paying for the same answers; each part renews it, so a dead worker's evaluation is
taken up by the sweep a few minutes later at the part where it stopped.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from evaluate.ask import ask
from evaluate.judge import judged
from evaluate.parts import ROWS_PER_PART, rows_of, write_part
from evaluate.request import complete
from tuneloop.domain.errors import ProviderUnavailable, Stale
from tuneloop.domain.evaluation import ArmName, Evaluation, EvaluationStatus
from tuneloop.domain.events import EvaluationRequested
from tuneloop.domain.examples import Example, Split
from tuneloop.domain.exports import Export
from tuneloop.domain.leases import lease
from tuneloop.domain.registry import Version
from tuneloop.providers.base import Provider
from tuneloop.store.evaluations import Evaluations
from tuneloop.store.exports import Exports
from tuneloop.store.models import Models
from tuneloop.store.objects import Objects

LEASE_S = 180
TIME_FOR_A_PART_S = 120


@dataclass
class Work:
    """One invocation's work on an evaluation; `evaluation` is always the row as it was last stored."""

    evaluation: Evaluation
    evaluations: Evaluations
    exports: Exports
    models: Models
    objects: Objects
    provider: Provider
    owner: str
    clock: Callable[[], datetime]
    remaining_s: Callable[[], float]

    def run(self) -> Evaluation:
        """Do as much as there is time for."""
        if not self.evaluation.is_free(self.clock()):
            return self.evaluation
        tenant, model = self.evaluation.tenant, self.evaluation.model
        export = self.exports.get(tenant, self.evaluation.dataset, self.evaluation.export)
        rows = list(rows_of(export, Split.TEST, self.objects))
        try:
            self._save(status=EvaluationStatus.RUNNING, rows=len(rows))
        except Stale:  # somebody else took it
            return self.evaluation
        numbers = self.evaluation.asked.values()
        versions = {number: self.models.version(tenant, model, number) for number in numbers}
        if all(self._ask(arm, versions[number], rows) for arm, number in self.evaluation.asked.items()):
            self.evaluation = self._judged(export, rows, versions)
        return self.evaluation

    def _ask(self, arm: ArmName, version: Version, rows: list[Example]) -> bool:
        for start in range(self.evaluation.parts.get(arm, 0), len(rows), ROWS_PER_PART):
            if self.remaining_s() < TIME_FOR_A_PART_S:
                return self._hand_over()
            try:
                answered = ask(version, rows[start : start + ROWS_PER_PART], start, self.provider)
            except ProviderUnavailable as error:
                return self._wait(error.message)
            write_part(self.evaluation, arm, answered, self.objects)
            parts = {**self.evaluation.parts, arm: start + len(answered)}
            progress = sum(parts.values()) / (len(rows) * len(self.evaluation.asked))
            self._save(parts=parts, progress=progress, waiting_for=None)
        return True

    def _judged(self, export: Export, rows: list[Example], versions: dict[int, Version]) -> Evaluation:
        now = self.clock()
        ended = judged(self.evaluation, export, rows, versions, exports=self.exports, objects=self.objects, now=now)
        return complete(ended, self.evaluations, now)

    def _hand_over(self) -> bool:
        event = EvaluationRequested(tenant=self.evaluation.tenant, evaluation=self.evaluation.id)
        released = self.evaluation.model_copy(update={"lease": None})
        self.evaluation = self.evaluations.save(released, event=event, now=self.clock())
        return False

    def _wait(self, why: str) -> bool:
        waiting = self.evaluation.model_copy(update={"lease": None, "waiting_for": why})
        self.evaluation = self.evaluations.save(waiting, now=self.clock())
        return False

    def _save(self, **changes: object) -> None:
        held = lease(self.owner, self.clock(), LEASE_S)
        changed = self.evaluation.model_copy(update={"lease": held, **changes})
        self.evaluation = self.evaluations.save(changed, now=self.clock())
