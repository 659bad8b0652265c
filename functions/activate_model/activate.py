"""Activating: every decision about who is served what, each one write with its line of history.

A write names the deployment it saw: of two decisions at once one is refused and looks again.
"""

from datetime import datetime
from typing import NamedTuple

from tuneloop.domain.errors import Conflict, InvalidInput, Stale
from tuneloop.domain.events import EvaluationCompleted, VersionReady
from tuneloop.domain.registry import (
    Action,
    Deployment,
    HistoryEntry,
    VersionStatus,
    activated,
    rolled_back,
    shared,
)
from tuneloop.store.datasets import Datasets
from tuneloop.store.evaluations import Evaluations
from tuneloop.store.models import Models

GATE = "gate"
FAILED = VersionStatus.DEPLOY_FAILED


def activate(
    tenant: str, model: str, number: int | None, *, by: str, reason: str, models: Models, now: datetime
) -> Deployment:
    """Serve everybody with a version: the given one, or the one that did so before.

    Never "the latest" unasked: that may be the one which the gate has just refused.
    """
    old = models.deployment(tenant, model)
    chosen = old.previous if number is None else number
    if chosen is None:
        raise InvalidInput("No version served before this one: name the `version` to activate.", param="version")
    _require_ready(tenant, model, chosen, models)
    return _decide(old, activated(old, chosen, reason, now), Action.ACTIVATE, by, models, now)


def deactivate(tenant: str, model: str, *, by: str, reason: str, models: Models, now: datetime) -> Deployment:
    """Serve everybody with the base model."""
    old = models.deployment(tenant, model)
    return _decide(old, activated(old, 0, reason, now), Action.DEACTIVATE, by, models, now)


def roll_back(tenant: str, model: str, *, by: str, reason: str, models: Models, now: datetime) -> Deployment:
    """Take the candidate off, or put back the version that was stable before."""
    old = models.deployment(tenant, model)
    return _decide(old, rolled_back(old, reason, now), Action.ROLLBACK, by, models, now)


def share(
    tenant: str, model: str, candidate: int | None, part: float, *, by: str, reason: str, models: Models, now: datetime
) -> Deployment:
    """Serve a part (0-1) of the users with a candidate."""
    old = models.deployment(tenant, model)
    if candidate is not None:
        _require_ready(tenant, model, candidate, models)
    return _decide(old, shared(old, candidate, part, reason, now), Action.SHARE, by, models, now)


def apply_verdict(
    event: EvaluationCompleted, *, models: Models, evaluations: Evaluations, datasets: Datasets, now: datetime
) -> Deployment:
    """Do what the gate says, once per announcement: activate the candidate, or write down why not."""
    old = models.deployment(event.tenant, event.model)
    made = _decision(event, old, evaluations, datasets, now)
    entry = _entry(made.new, made.action, GATE, made.reason, now).model_copy(update={"evaluation": event.evaluation})
    once = f"{event.evaluation}.{event.late.isoformat()}" if event.late else event.evaluation
    try:
        models.decide(old, made.new, entry, once=once, follow_up=made.follow_up)
    except Stale:
        if models.is_decided(event.tenant, event.model, once):
            return models.deployment(event.tenant, event.model)
        raise
    return made.new


class _Decision(NamedTuple):
    """What a verdict leads to, and the event that has its candidate looked at again where it came too late."""

    new: Deployment
    action: Action
    reason: str
    follow_up: VersionReady | None = None


def _decision(
    event: EvaluationCompleted, old: Deployment, evaluations: Evaluations, datasets: Datasets, now: datetime
) -> _Decision:
    """A first activation over a base model goes to everybody at once; so does any other until rollouts step by step.

    Who may only train chooses the rows of an evaluation, so those of a dataset that doesn't feed the model let nothing
    through. A candidate that was proved against what no longer serves is compared with what does.
    """
    reason = event.verdict.reason
    if not event.verdict.promote:
        return _Decision(old, Action.REFUSE, reason)
    proved = evaluations.get(event.tenant, event.evaluation)
    dataset = datasets.find(event.tenant, proved.dataset)
    if dataset is None or dataset.model != event.model:
        foreign = f"But that was proved on dataset {proved.dataset}, which doesn't feed this model"
        how = f"somebody with the scope `deploy` may activate version {event.candidate}."
        return _Decision(old, Action.REFUSE, f"{reason} {foreign}: {how}")
    if old.stable == event.stable:
        new = activated(old, event.candidate, reason, now)
        return _Decision(new, Action.ACTIVATE, new.reason)
    if old.stable == event.candidate:
        return _Decision(old, Action.REFUSE, f"Version {event.candidate} serves everybody already. {reason}")
    again = VersionReady(
        tenant=event.tenant,
        model=event.model,
        version=event.candidate,
        dataset=proved.dataset,
        export=proved.export,
        late=now,
    )
    late = f"Version {old.stable} serves today, the evaluation compared with {event.stable}"
    new_look = f"version {event.candidate} is evaluated again, against version {old.stable}."
    return _Decision(old, Action.REFUSE, f"{late}: {new_look}", again)


def _decide(old: Deployment, new: Deployment, action: Action, by: str, models: Models, now: datetime) -> Deployment:
    if new is old:
        return old
    models.decide(old, new, _entry(new, action, by, new.reason, now))
    return new


def _entry(new: Deployment, action: Action, by: str, reason: str, now: datetime) -> HistoryEntry:
    return HistoryEntry(
        model=new.model,
        step=new.step,
        at=now,
        action=action,
        reason=reason,
        stable=new.stable,
        candidate=new.candidate,
        share=new.share,
        by=by,
    )


def _require_ready(tenant: str, model: str, number: int, models: Models) -> None:
    status = models.version(tenant, model, number).status
    if status == VersionStatus.READY:
        return
    how = f" POST /v1/models/{model}/versions/{number}/deploy asks its provider once more." if status == FAILED else ""
    raise Conflict(f"Version {number} is {status}; only one that is ready can answer.{how}", param="version")
