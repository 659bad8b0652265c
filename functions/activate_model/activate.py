"""Activation: every decision about which version serves which users, stored in one write with its history entry.

The write is conditional on the deployment that the decision was based on: of two simultaneous decisions the second
raises Stale, and whoever made it must read the deployment again.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from tuneloop.domain.core.errors import Conflict, InvalidInput, NotFound, Stale
from tuneloop.domain.evaluation.evaluations import Evaluation, Intent
from tuneloop.domain.events import EvaluationCompleted, VersionReady
from tuneloop.domain.serving.holds import Hold, RefusedVersion, Takeoff
from tuneloop.domain.serving.models import (
    GATE,
    Action,
    Deployment,
    HistoryEntry,
    Version,
    VersionStatus,
    with_hold,
    with_rollback,
    with_share,
    with_stable,
    without_hold,
)
from tuneloop.store.repositories.datasets import Datasets
from tuneloop.store.repositories.evaluations import Evaluations
from tuneloop.store.repositories.models import Models

UNVERIFIED_REMARK = " (Version {0} is unverified: whether its provider has such a model is not known.)"
# Refusals with a code of their own instead of the general `conflict`, because the caller's next step differs for each.
REFUSAL_CODES = {
    status: f"version_{status}" for status in (VersionStatus.VERIFYING, VersionStatus.UNVERIFIED, VersionStatus.FAILED)
}


class ManualDecision(NamedTuple):
    """A person's decision about a model: the API key `by` which it came, the `reason` for the history, and the time."""

    tenant: str
    model: str
    by: str
    reason: str
    at: datetime


class ResumeResult(NamedTuple):
    """A deployment without its hold, and the versions that the hold had refused and a person may activate now."""

    deployment: Deployment
    could_activate: list[RefusedVersion]


@dataclass(frozen=True)
class DecideByHand:
    """The decisions that a person may take about a model's deployment; each method stores one."""

    models: Models

    def activate(self, decision: ManualDecision, number: int | None) -> Deployment:
        """Serve everybody with a version: the given one, or with None the one that was stable before.

        The default is never the latest version, which the gate may just have refused. Activating a version lifts the
        hold; activating version 0, the base model, takes a version off and so makes a hold, as `deactivate` does.
        """
        old = self._deployment(decision)
        chosen = old.previous if number is None else number
        if chosen is None:
            raise InvalidInput("No version served before this one: name the `version` to activate.", param="version")
        remark = self._require_answering(decision, chosen, is_named=number is not None)
        new = with_stable(old, chosen, f"{decision.reason}{remark}", decision.at)
        if chosen:
            return self._store(old, without_hold(new), Action.ACTIVATE, decision)
        return self._take_off(old, new, "activate", decision)

    def deactivate(self, decision: ManualDecision) -> Deployment:
        """Serve everybody with the base model and make a hold: until it is lifted, nothing is activated by itself."""
        old = self._deployment(decision)
        return self._take_off(old, with_stable(old, 0, decision.reason, decision.at), "deactivate", decision)

    def roll_back(self, decision: ManualDecision) -> Deployment:
        """Take the candidate off, or without one put back the version that was stable before; make a hold."""
        old = self._deployment(decision)
        return self._take_off(old, with_rollback(old, decision.reason, decision.at), "rollback", decision)

    def set_share(self, decision: ManualDecision, candidate: int | None, part: float) -> Deployment:
        """Serve a share (0-1) of the users with a candidate; a trial by hand neither makes a hold nor lifts one."""
        old = self._deployment(decision)
        remark = "" if candidate is None else self._require_answering(decision, candidate)
        new = with_share(old, candidate, part, f"{decision.reason}{remark}", decision.at)
        return self._store(old, new, Action.SHARE, decision)

    def resume(self, decision: ManualDecision) -> ResumeResult:
        """Lift the hold, so that verdicts activate versions again; versions refused meanwhile stay inactive.

        Idempotent: without a hold nothing changes.
        """
        old = self._deployment(decision)
        new = self._store(old, without_hold(old), Action.RESUME, decision)
        refused = [version for version in old.hold.refused if version.version != new.stable] if old.hold else []
        return ResumeResult(
            new, [version for version in refused if self._version(decision, version.version).can_answer]
        )

    def _deployment(self, decision: ManualDecision) -> Deployment:
        return self.models.deployment_with_hold(decision.tenant, decision.model)

    def _version(self, decision: ManualDecision, number: int) -> Version:
        return self.models.version(decision.tenant, decision.model, number)

    def _take_off(self, old: Deployment, new: Deployment, takeoff: Takeoff, decision: ManualDecision) -> Deployment:
        """Store that a version was taken off, with a hold; a repeated call leaves the first hold as it is."""
        if new is not old or old.hold is None:
            new = with_hold(new, takeoff, decision.by, decision.reason, decision.at)
        return self._store(old, new, Action(takeoff), decision)

    def _store(self, old: Deployment, new: Deployment, action: Action, decision: ManualDecision) -> Deployment:
        """Store a deployment with its history entry; no write if `new` is `old` itself, as nothing changed then."""
        if new is not old:
            reason = new.reason if new.step != old.step else decision.reason
            self.models.decide(old, new, _history_entry(new, action, decision.by, reason, decision.at))
        return new

    def _require_answering(self, decision: ManualDecision, number: int, *, is_named: bool = True) -> str:
        """Conflict for a version that can't answer; return a remark for the history on one that may not be able to.

        No provider is asked here: it was asked when the version was registered. An unverified version may be activated
        only if the request names it.
        """
        version = self._version(decision, number)
        if version.status == VersionStatus.READY:
            return ""
        if version.status == VersionStatus.UNVERIFIED and is_named:
            return UNVERIFIED_REMARK.format(number)
        raise Conflict(_explain_refusal(version), param="version", code=REFUSAL_CODES.get(version.status))


class _Outcome(NamedTuple):
    """The effect of a verdict; the event `follow_up` has a candidate evaluated again whose verdict came too late."""

    new: Deployment
    action: Action
    reason: str
    follow_up: VersionReady | None = None


@dataclass(frozen=True)
class ApplyVerdict:
    """Applies the gate's verdict on an evaluation to a model's deployment."""

    models: Models
    evaluations: Evaluations
    datasets: Datasets

    def apply(self, event: EvaluationCompleted, now: datetime) -> Deployment:
        """Apply a verdict once per event: activate the candidate, or store why not; return the deployment then.

        An evaluation with the intent `report` decides nothing, even if an event announces it.
        """
        old = self.models.deployment_with_hold(event.tenant, event.model)
        evaluation = self.evaluations.find(event.tenant, event.evaluation)
        if evaluation and evaluation.intent is Intent.REPORT:
            return old
        outcome = self._outcome(event, evaluation, old, now)
        entry = _history_entry(outcome.new, outcome.action, GATE, outcome.reason, now, event.evaluation)
        try:
            self.models.decide(old, outcome.new, entry, once=event.once, follow_up=outcome.follow_up)
        except Stale:
            if self.models.is_decided(event.tenant, event.model, event.once):
                return self.models.deployment(event.tenant, event.model)
            raise
        return outcome.new

    def _outcome(
        self, event: EvaluationCompleted, evaluation: Evaluation | None, old: Deployment, now: datetime
    ) -> _Outcome:
        """The effect of a verdict; an activated version serves everybody at once (stepwise rollouts are still planned).

        A key that may only train chooses the test rows of an evaluation, so a verdict on rows of a dataset that doesn't
        feed the model activates nothing. A candidate that was compared with a version that is no longer stable is
        evaluated again, against the one that is. While a hold stands, the candidate is only noted for a person.
        """
        reason = event.verdict.reason
        if not event.verdict.promote:
            return _Outcome(old, Action.REFUSE, reason)
        if evaluation is None:
            raise NotFound(f"There is no evaluation {event.evaluation}.", param="evaluation")
        dataset = self.datasets.find(event.tenant, evaluation.dataset)
        if dataset is None or dataset.model != event.model:
            objection = f"But that was proved on dataset {evaluation.dataset}, which doesn't feed this model"
            remedy = f"somebody with the scope `deploy` may activate version {event.candidate}."
            return _Outcome(old, Action.REFUSE, f"{reason} {objection}: {remedy}")
        if obstacle := self._obstacle(event, old):
            return _Outcome(old, Action.REFUSE, obstacle)
        if old.hold:
            return _refuse_for_hold(old.hold, event, old, now)
        if old.stable == event.stable:
            new = with_stable(old, event.candidate, reason, now)
            return _Outcome(new, Action.ACTIVATE, new.reason)
        return _evaluate_again(event, evaluation, old, now)

    def _obstacle(self, event: EvaluationCompleted, old: Deployment) -> str | None:
        """Why a candidate that won isn't activated: it is stable already, or not `ready`; None if it may be.

        A version that isn't `ready` may not answer, so only a person may activate it.
        """
        if old.stable == event.candidate:
            return f"Version {event.candidate} serves everybody already. {event.verdict.reason}"
        status = self.models.version(event.tenant, event.model, event.candidate).status
        if status == VersionStatus.READY:
            return None
        objection = f"But version {event.candidate} is {status}, and only one that is ready is activated by itself."
        return f"{event.verdict.reason} {objection}"


def _refuse_for_hold(hold: Hold, event: EvaluationCompleted, old: Deployment, now: datetime) -> _Outcome:
    """The refusal of a candidate while a person's hold stands; the hold then lists the candidate as refused."""
    refused = RefusedVersion(version=event.candidate, against=event.stable, evaluation=event.evaluation, at=now)
    new = old.model_copy(update={"hold": hold.with_refused(refused)})
    objection = f"But {hold.explain()}, and nothing is activated by itself until a person says so"
    remedy = (
        f"activate version {event.candidate}, or POST /v1/models/{event.model}/resume and ask for its evaluation again "
        "with `promote: true`."
    )
    return _Outcome(new, Action.REFUSE, f"{event.verdict.reason} {objection}: {remedy}")


def _evaluate_again(event: EvaluationCompleted, evaluation: Evaluation, old: Deployment, now: datetime) -> _Outcome:
    """The refusal of a candidate that was compared with a former stable version, and the event for a new comparison."""
    follow_up = VersionReady(
        tenant=event.tenant,
        model=event.model,
        version=event.candidate,
        dataset=evaluation.dataset,
        export=evaluation.export,
        late=now,
    )
    difference = f"Version {old.stable} serves today, the evaluation compared with {event.stable}"
    next_step = f"version {event.candidate} is evaluated again, against version {old.stable}."
    return _Outcome(old, Action.REFUSE, f"{difference}: {next_step}", follow_up)


def _history_entry(
    new: Deployment, action: Action, by: str, reason: str, now: datetime, evaluation: str | None = None
) -> HistoryEntry:
    """The history entry of a decision: the deployment after it, and who (`by`) decided so, when and why."""
    return HistoryEntry(
        model=new.model,
        step=new.step,
        at=now,
        action=action,
        reason=reason,
        stable=new.stable,
        candidate=new.candidate,
        share=new.share,
        evaluation=evaluation,
        by=by,
    )


def _explain_refusal(version: Version) -> str:
    """The message that says why a version can't be activated, and what to do."""
    state = f"Version {version.number} is {version.status}; only one that is ready can answer."
    match version.status:
        case VersionStatus.VERIFYING:
            return f"{state} It waits for: {version.waiting_for} Try again in a minute."
        case VersionStatus.UNVERIFIED:
            return f"Version {version.number} is unverified: name it as the `version` to activate it all the same."
        case VersionStatus.FAILED if version.error:
            return f"{state} {version.error.message}"
        case VersionStatus.DEPLOY_FAILED:
            route = f"POST /v1/models/{version.model}/versions/{version.number}/deploy"
            return f"{state} {route} asks its provider once more."
    return state
