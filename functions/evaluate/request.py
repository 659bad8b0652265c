"""Requests for evaluations: one evaluation per candidate, the version it is compared with, and export.

Events ask by `RequestEvaluation`; a person asks by `RequestComparison`, which finds out what to compare on which rows.
"""

from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import NamedTuple

from evaluate.score import NO_TEST, close_evaluation
from tuneloop.domain.core.errors import Conflict, InvalidInput, Stale
from tuneloop.domain.core.ids import derived_id
from tuneloop.domain.evaluation.evaluations import Evaluation, EvaluationStatus, Intent
from tuneloop.domain.evaluation.verdicts import Verdict, VerdictCode
from tuneloop.domain.events import EvaluationRequested, announcement
from tuneloop.domain.exports.exports import Export
from tuneloop.domain.serving.models import Deployment, Version, VersionStatus
from tuneloop.store.repositories.datasets import Datasets
from tuneloop.store.repositories.evaluations import Evaluations
from tuneloop.store.repositories.exports import Exports
from tuneloop.store.repositories.models import Models
from tuneloop.store.retry import retry_stale


@dataclass(frozen=True)
class RequestEvaluation:
    """Asks for the evaluation of a version against another one."""

    evaluations: Evaluations
    models: Models

    def request(
        self,
        version: Version,
        stable: int,
        export: Export,
        *,
        intent: Intent,
        now: datetime,
        again: bool = False,
        late: datetime | None = None,
    ) -> Evaluation:
        """Return the evaluation of a version against `stable` on an export's test rows, made if there is none yet.

        Its intent rises to the one that is asked for, and never falls. It takes its look once rows are to be asked.
        Where a person asks `again`, or a report that ended in an error is to decide, an evaluation that ended in an
        error is followed by another attempt without a look of its own, as the one before let nothing through. Where a
        verdict came `late`, an evaluation that had ended is announced again, about what serves now; a verdict of before
        the overlap search is not: a new look is taken.
        """
        tenant, look = version.tenant, 0
        for attempt in count(1):
            identity = derived_id("eval", tenant, version.model, version.number, stable, export.id, attempt)
            if (existing := self.evaluations.find(tenant, identity)) is None:
                break
            rises = intent.rises_above(existing.intent)
            if existing.error and (again or rises):
                look = existing.look
                continue
            announced_at = self._announcement_time(existing, intent, by_person=again, late=late, now=now)
            if not rises and announced_at is None:
                return existing
            if _is_sound(existing, export):
                if rises:
                    return self._raise_intent(tenant, identity, intent, now)
                return close_evaluation(existing, self.evaluations, now, announced_at)
            look = 0  # its verdict may have let something through, so what follows takes a look of its own
        evaluation = Evaluation(
            tenant=tenant,
            id=identity,
            model=version.model,
            candidate=version.number,
            stable=stable,
            dataset=export.dataset,
            export=export.id,
            intent=intent,
            look=look,
            attempt=attempt,
            created_at=now,
        )
        return self._begin(evaluation, export, now)

    def _begin(self, evaluation: Evaluation, export: Export, now: datetime) -> Evaluation:
        """Store a new evaluation; one without test rows ends at once."""
        event = EvaluationRequested(tenant=evaluation.tenant, evaluation=evaluation.id)
        ended = {"status": EvaluationStatus.COMPLETED, "too_few": True, "finished_at": now, "progress": 1.0}
        verdict = Verdict(promote=False, reason=NO_TEST, code=VerdictCode.NO_TEST)
        try:
            if export.has_test:
                return self.evaluations.save(evaluation, event=event, now=now)
            return close_evaluation(evaluation.model_copy(update={**ended, "verdict": verdict}), self.evaluations, now)
        except Stale:  # somebody else asked for it at the same time, and maybe for less
            return self._raise_intent(evaluation.tenant, evaluation.id, evaluation.intent, now)

    def _raise_intent(self, tenant: str, identity: str, intent: Intent, now: datetime) -> Evaluation:
        """Store the evaluation with at least this intent; a report that had ended is announced with the raise."""

        def attempt() -> Evaluation:
            """The evaluation with its intent raised, by what is stored of it now."""
            row = self.evaluations.get(tenant, identity)
            if not intent.rises_above(row.intent):
                return row
            raised = row.model_copy(update={"intent": intent})
            if raised.is_open:
                return self.evaluations.save(raised, now=now)
            return close_evaluation(raised, self.evaluations, now)

        return retry_stale(attempt, f"Evaluation {identity}")

    def _announcement_time(
        self, evaluation: Evaluation, intent: Intent, *, by_person: bool, late: datetime | None, now: datetime
    ) -> datetime | None:
        """When the verdict of an ended evaluation is announced once more, None if it isn't.

        Either the verdict was about what no longer served, or a person asks for a promotion again after what was
        decided on the last announcement: a hold may have refused it and be lifted since.
        """
        if intent is Intent.REPORT or evaluation.finished_at is None:
            return None
        if late is not None:
            return late if evaluation.finished_at <= late else None
        would_promote = evaluation.verdict is not None and evaluation.verdict.promote
        if not (by_person and would_promote):
            return None
        last = announcement(evaluation.id, evaluation.announced_again)
        return now if self.models.is_decided(evaluation.tenant, evaluation.model, last) else None


def _is_sound(evaluation: Evaluation, export: Export) -> bool:
    """Whether its verdict, if any, stands on test rows that were looked for in training data; older releases didn't."""
    return evaluation.is_open or evaluation.overlap_was_found or not export.has_test


class ComparisonRequest(NamedTuple):
    """What a person asks to be compared: a version `against` another one, on the test rows of a dataset's export.

    None is found out: see `RequestComparison.request`.
    """

    model: str
    version: int
    against: int | None
    dataset: str | None
    export: str | None
    intent: Intent


class VersionPair(NamedTuple):
    """A version and the one that it is compared with."""

    version: Version
    against: Version


@dataclass(frozen=True)
class RequestComparison:
    """Asks for an evaluation as a person names it."""

    models: Models
    evaluations: Evaluations
    exports: Exports
    datasets: Datasets

    def request(self, tenant: str, wanted: ComparisonRequest, *, again: bool, now: datetime) -> Evaluation:
        """Return the evaluation that is asked for, or another attempt at it where `again` says that a person asks.

        A version that is not named is what serves now; for what serves itself, what served before it, else the base
        model. The rows are those of the version's own export, else of the other version's own. Conflict or InvalidInput
        where the two can't be compared, or where the verdict could not be used for the promotion that is asked for.
        """
        pair = self._pair(tenant, wanted)
        dataset, export_name = _place_of(pair, wanted)
        export = self.exports.get(tenant, dataset, export_name)
        if wanted.intent is Intent.PROMOTE and self.datasets.get(tenant, dataset).model != wanted.model:
            message = (
                f"Dataset {dataset} doesn't feed model {wanted.model}: a comparison on it can only report. Leave out "
                "`promote`."
            )
            raise Conflict(message, param="dataset", code="foreign_dataset")
        use_case = RequestEvaluation(self.evaluations, self.models)
        return use_case.request(pair.version, pair.against.number, export, intent=wanted.intent, again=again, now=now)

    def _pair(self, tenant: str, wanted: ComparisonRequest) -> VersionPair:
        """The versions to compare, both of which can answer."""
        version = self.models.version(tenant, wanted.model, wanted.version)
        deployment = self.models.deployment(tenant, wanted.model)
        if wanted.intent is Intent.PROMOTE:
            _require_promotable(version, wanted.against, deployment)
        other = wanted.against if wanted.against is not None else self._counterpart(version.number, deployment)
        if other == version.number:
            message = f"against: version {other} can't be compared with itself; name another version of {wanted.model}."
            raise InvalidInput(message, param="against", code="same_version")
        pair = VersionPair(version, self.models.version(tenant, wanted.model, other))
        _require_ready(pair.version, "version")
        _require_ready(pair.against, "against")
        return pair

    def _counterpart(self, number: int, deployment: Deployment) -> int:
        """The version that a version is compared with if none is named."""
        if number != deployment.stable:
            return deployment.stable
        before = deployment.previous
        if before is not None and self.models.version(deployment.tenant, deployment.model, before).can_answer:
            return before
        if number != 0:
            return 0
        message = "Version 0 serves, and no other served before it: name the version to compare it with in `against`."
        raise Conflict(message, param="against", code="nothing_to_compare")


def _place_of(pair: VersionPair, wanted: ComparisonRequest) -> tuple[str, str]:
    """The dataset and export to compare on: those named, else the version's own, else the other version's own."""
    own = next((version for version in pair if version.dataset and version.export), None)
    dataset = wanted.dataset or (own.dataset if own else None)
    export = wanted.export or (own.export if own and own.dataset == dataset else None)
    if dataset is None or export is None:
        message = "Neither version has an export of its own there: name a `dataset` and its `export`."
        raise InvalidInput(message, param="export")
    return dataset, export


def _require_promotable(version: Version, against: int | None, deployment: Deployment) -> None:
    number, stable = version.number, deployment.stable
    if number == stable:
        message = f"Version {number} serves already, so there is nothing to promote; leave out `promote` for a report."
        raise Conflict(message, param="version", code="already_stable")
    if against not in (None, stable):
        message = (
            f"Version {stable} serves now: only a comparison with it can promote. Name it in `against`, or leave out "
            "`promote` for a report."
        )
        raise Conflict(message, param="against", code="not_stable")
    if version.status == VersionStatus.UNVERIFIED:
        message = (
            f"Version {number} is unverified: whether its provider has such a model is not known, so a person has to "
            "activate it by name. Leave out `promote` for a report."
        )
        raise Conflict(message, param="version", code="version_unverified")


def _require_ready(version: Version, param: str) -> None:
    if version.can_answer:
        return
    message = f"Version {version.number} is {version.status}; only one that is ready can answer test questions."
    raise Conflict(message, param=param, code="not_ready")
