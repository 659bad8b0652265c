"""Activating: every decision about who is served what, each one write with its line of history.

A write names the deployment it saw: of two decisions at once one is refused and looks again.
"""

from datetime import datetime

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
from tuneloop.store.evaluations import Evaluations
from tuneloop.store.models import Models

GATE = "gate"


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


def apply_verdict(event: EvaluationCompleted, *, models: Models, evaluations: Evaluations, now: datetime) -> Deployment:
    """Do what the gate says, once per evaluation: activate the candidate, or write down why not.

    A first activation over a base model goes to everybody at once; so does any other until rollouts step by step.
    A candidate that was proved against what no longer serves is compared with what does.
    """
    old = models.deployment(event.tenant, event.model)
    new, action, reason, follow_up = old, Action.REFUSE, event.verdict.reason, None
    if event.verdict.promote and old.stable == event.stable:
        new, action = activated(old, event.candidate, reason, now), Action.ACTIVATE
    elif event.verdict.promote and old.stable == event.candidate:
        reason = f"Version {event.candidate} was put before everybody by hand meanwhile. {reason}"
    elif event.verdict.promote:
        follow_up = _proved_anew(event, evaluations)
        reason = (
            f"Version {old.stable} serves today, the evaluation compared with {event.stable}: "
            f"version {event.candidate} is evaluated again, against version {old.stable}."
        )
    entry = _entry(new, action, GATE, reason, now).model_copy(update={"evaluation": event.evaluation})
    try:
        models.decide(old, new, entry, once=event.evaluation, follow_up=follow_up)
    except Stale:
        if models.is_decided(event.tenant, event.model, event.evaluation):
            return models.deployment(event.tenant, event.model)
        raise
    return new


def _proved_anew(event: EvaluationCompleted, evaluations: Evaluations) -> VersionReady:
    """The event that has the candidate compared with what serves now, on the same test rows."""
    done = evaluations.get(event.tenant, event.evaluation)
    return VersionReady(
        tenant=event.tenant, model=event.model, version=event.candidate, dataset=done.dataset, export=done.export
    )


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
    if status != VersionStatus.READY:
        raise Conflict(f"Version {number} is {status}; only one that is ready can answer.", param="version")
