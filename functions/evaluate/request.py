"""Requests for evaluations: there is one evaluation per candidate, compared version and export.

Events use `RequestEvaluation`; a person's call uses `RequestComparison`, which fills in the versions and rows that the
person leaves out.
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
from tuneloop.domain.events import EvaluationRequested, announcement_name
from tuneloop.domain.exports.exports import Export
from tuneloop.domain.serving.models import Deployment, Version, VersionStatus
from tuneloop.store.repositories.datasets import Datasets
from tuneloop.store.repositories.evaluations import Evaluations
from tuneloop.store.repositories.exports import Exports
from tuneloop.store.repositories.models import Models
from tuneloop.store.retry import retry_stale


@dataclass(frozen=True)
class RequestEvaluation:
    """Requests the evaluation of a version against another one."""

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
        """Return the evaluation of a version against `stable` on an export's test rows; start one if there is none.

        Its intent is raised to `intent`, and never lowered. After an error there is another attempt where a person asks
        `again` or the intent is raised; it keeps the look, as the failed one let nothing through. `late` is when an
        earlier verdict came too late, about a version that no longer served: an evaluation that had ended by then is
        announced again, unless it ended before there was an overlap search: the next attempt takes a new look.
        """
        tenant, look = version.tenant, 0
        for attempt in count(1):
            identity = derived_id("eval", tenant, version.model, version.number, stable, export.id, attempt)
            if (existing := self.evaluations.find(tenant, identity)) is None:
                break
            is_raise = intent.rises_above(existing.intent)
            if existing.error and (again or is_raise):
                look = existing.look
                continue
            announced_at = self._announcement_time(existing, intent, by_person=again, late=late, now=now)
            if not is_raise and announced_at is None:
                return existing
            if _is_verdict_usable(existing, export):
                if is_raise:
                    return self._raise_intent(tenant, identity, intent, now)
                return close_evaluation(existing, self.evaluations, now, announced_at)
            look = 0  # its verdict may have let a version through, so the next attempt takes a look of its own
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
        """Store a new evaluation, with the event that starts it; without test rows it ends at once."""
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
        """Raise an evaluation's intent to at least `intent`; a report that had ended is announced in the same write."""

        def attempt() -> Evaluation:
            """Raise the intent of the evaluation as it is stored now; Stale if somebody else writes meanwhile."""
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
        """The time of announcing an ended evaluation's verdict once more; None if it isn't to be announced.

        There are two reasons: the verdict was about a version that no longer served, or a person asks for the promotion
        again after the last announcement was decided on, as a hold that refused it may have been lifted since.
        """
        if intent is Intent.REPORT or evaluation.finished_at is None:
            return None
        if late is not None:
            return late if evaluation.finished_at <= late else None
        would_promote = evaluation.verdict is not None and evaluation.verdict.promote
        if not (by_person and would_promote):
            return None
        last = announcement_name(evaluation.id, evaluation.announced_again)
        return now if self.models.is_decided(evaluation.tenant, evaluation.model, last) else None


def _is_verdict_usable(evaluation: Evaluation, export: Export) -> bool:
    """Whether an evaluation's verdict, if any, may be used: older releases reached one without an overlap search."""
    return evaluation.is_open or evaluation.overlap_was_found or not export.has_test


class ComparisonRequest(NamedTuple):
    """A person's comparison: a version `against` another one, on the test rows of a dataset's export.

    `RequestComparison.request` fills in the fields that are None.
    """

    model: str
    version: int
    against: int | None
    dataset: str | None
    export: str | None
    intent: Intent


class VersionPair(NamedTuple):
    """A version and the version that it is compared with."""

    version: Version
    against: Version


@dataclass(frozen=True)
class RequestComparison:
    """Requests the evaluation that a person's call names."""

    models: Models
    evaluations: Evaluations
    exports: Exports
    datasets: Datasets

    def request(self, tenant: str, comparison: ComparisonRequest, *, again: bool, now: datetime) -> Evaluation:
        """Return the comparison's evaluation; `again` says that a person asks, as for `RequestEvaluation.request`.

        Where `against` is None, the version that serves now is compared with; the version that serves is compared with
        the one that served before it, else with the base model. Where no export is named, the rows are those of the
        version's own export, else of the other version's. Conflict or InvalidInput where the two can't be compared, or
        where the verdict could not be used for the promotion.
        """
        pair = self._pair(tenant, comparison)
        dataset, export_name = _export_to_compare_on(pair, comparison)
        export = self.exports.get(tenant, dataset, export_name)
        if comparison.intent is Intent.PROMOTE and self.datasets.get(tenant, dataset).model != comparison.model:
            message = (
                f"Dataset {dataset} doesn't feed model {comparison.model}: a comparison on it can only report. "
                "Leave out `promote`."
            )
            raise Conflict(message, param="dataset", code="foreign_dataset")
        use_case = RequestEvaluation(self.evaluations, self.models)
        return use_case.request(
            pair.version, pair.against.number, export, intent=comparison.intent, again=again, now=now
        )

    def _pair(self, tenant: str, comparison: ComparisonRequest) -> VersionPair:
        """The versions to compare; Conflict or InvalidInput unless both can answer and differ."""
        version = self.models.version(tenant, comparison.model, comparison.version)
        deployment = self.models.deployment(tenant, comparison.model)
        if comparison.intent is Intent.PROMOTE:
            _require_promotable(version, comparison.against, deployment)
        other = comparison.against if comparison.against is not None else self._counterpart(version.number, deployment)
        if other == version.number:
            message = (
                f"against: version {other} can't be compared with itself; name another version of {comparison.model}."
            )
            raise InvalidInput(message, param="against", code="same_version")
        pair = VersionPair(version, self.models.version(tenant, comparison.model, other))
        _require_ready(pair.version, "version")
        _require_ready(pair.against, "against")
        return pair

    def _counterpart(self, number: int, deployment: Deployment) -> int:
        """The number of the version that version `number` is compared with if none is named."""
        if number != deployment.stable:
            return deployment.stable
        previous = deployment.previous
        if previous is not None and self.models.version(deployment.tenant, deployment.model, previous).can_answer:
            return previous
        if number != 0:
            return 0
        message = "Version 0 serves, and no other served previous it: name the version to compare it with in `against`."
        raise Conflict(message, param="against", code="nothing_to_compare")


def _export_to_compare_on(pair: VersionPair, comparison: ComparisonRequest) -> tuple[str, str]:
    """Dataset and export to compare on: those that are named, else the version's own, else the other version's."""
    source = next((version for version in pair if version.dataset and version.export), None)
    dataset = comparison.dataset or (source.dataset if source else None)
    export = comparison.export or (source.export if source and source.dataset == dataset else None)
    if dataset is None or export is None:
        message = "Neither version has an export of its source there: name a `dataset` and its `export`."
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
