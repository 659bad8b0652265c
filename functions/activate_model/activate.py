"""Activating: every decision about who is served what, each one write with its line of history.

A write names the deployment it saw: of two decisions at once one is refused and looks again.
"""

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
    activated,
    held,
    released,
    rolled_back,
    shared,
)
from tuneloop.store.repositories.datasets import Datasets
from tuneloop.store.repositories.evaluations import Evaluations
from tuneloop.store.repositories.models import Models

UNVERIFIED = " (Version {0} is unverified: whether its provider has such a model is not known.)"
CODES = {
    status: f"version_{status}" for status in (VersionStatus.VERIFYING, VersionStatus.UNVERIFIED, VersionStatus.FAILED)
}


def activate(
    tenant: str, model: str, number: int | None, *, by: str, reason: str, models: Models, now: datetime
) -> Deployment:
    """Serve everybody with a version: the given one, or the one that did so before.

    Never "the latest" unasked: that may be the one which the gate has just refused. A person who activates a version
    lifts the hold; who puts the base model back has taken a version off, by whatever route, and makes one.
    """
    old = models.deployment_with_hold(tenant, model)
    chosen = old.previous if number is None else number
    if chosen is None:
        raise InvalidInput("No version served before this one: name the `version` to activate.", param="version")
    remark = _require_answering(tenant, model, chosen, models, is_named=number is not None)
    new = activated(old, chosen, f"{reason}{remark}", now)
    if chosen:
        return _decide(old, released(new), Action.ACTIVATE, by, reason, models, now)
    return _take_off(old, new, "activate", by, reason, models, now)


def deactivate(tenant: str, model: str, *, by: str, reason: str, models: Models, now: datetime) -> Deployment:
    """Serve everybody with the base model, and hold it: nothing else is activated by itself."""
    old = models.deployment_with_hold(tenant, model)
    return _take_off(old, activated(old, 0, reason, now), "deactivate", by, reason, models, now)


def roll_back(tenant: str, model: str, *, by: str, reason: str, models: Models, now: datetime) -> Deployment:
    """Take the candidate off, or put back the version that was stable before, and hold it."""
    old = models.deployment_with_hold(tenant, model)
    return _take_off(old, rolled_back(old, reason, now), "rollback", by, reason, models, now)


class Resumed(NamedTuple):
    """A deployment without its hold, and what the hold kept from being activated and a person may activate now."""

    deployment: Deployment
    could_activate: list[RefusedVersion]


def resume(tenant: str, model: str, *, by: str, reason: str, models: Models, now: datetime) -> Resumed:
    """Let verdicts activate versions again; none that was refused meanwhile is activated by that.

    Asked again it changes nothing: without a hold there is nothing to lift.
    """
    old = models.deployment_with_hold(tenant, model)
    new = _decide(old, released(old), Action.RESUME, by, reason, models, now)
    refused = old.hold.refused if old.hold else []
    others = [each for each in refused if each.version != new.stable]
    return Resumed(new, [each for each in others if models.version(tenant, model, each.version).can_answer])


def share(
    tenant: str, model: str, candidate: int | None, part: float, *, by: str, reason: str, models: Models, now: datetime
) -> Deployment:
    """Serve a part (0-1) of the users with a candidate; a trial by hand neither makes a hold nor lifts one."""
    old = models.deployment_with_hold(tenant, model)
    if candidate is not None:
        reason += _require_answering(tenant, model, candidate, models)
    return _decide(old, shared(old, candidate, part, reason, now), Action.SHARE, by, reason, models, now)


def apply_verdict(
    event: EvaluationCompleted, *, models: Models, evaluations: Evaluations, datasets: Datasets, now: datetime
) -> Deployment:
    """Do what the gate says, once per announcement: activate the candidate, or write down why not.

    A report decides nothing, whoever announces it.
    """
    old = models.deployment_with_hold(event.tenant, event.model)
    proved = evaluations.find(event.tenant, event.evaluation)
    if proved and proved.intent is Intent.REPORT:
        return old
    made = _decision(event, proved, old, datasets, models, now)
    entry = _entry(made.new, made.action, GATE, made.reason, now).model_copy(update={"evaluation": event.evaluation})
    try:
        models.decide(old, made.new, entry, once=event.once, follow_up=made.follow_up)
    except Stale:
        if models.is_decided(event.tenant, event.model, event.once):
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
    event: EvaluationCompleted,
    proved: Evaluation | None,
    old: Deployment,
    datasets: Datasets,
    models: Models,
    now: datetime,
) -> _Decision:
    """A first activation over a base model goes to everybody at once; so does any other until rollouts step by step.

    Who may only train chooses the rows of an evaluation, so those of a dataset that doesn't feed the model let nothing
    through. A candidate that was proved against what no longer serves is compared with what does, unless a person took
    a version off: then it is written down, and a person decides what comes next.
    """
    reason = event.verdict.reason
    if not event.verdict.promote:
        return _Decision(old, Action.REFUSE, reason)
    if proved is None:
        raise NotFound(f"There is no evaluation {event.evaluation}.", param="evaluation")
    dataset = datasets.find(event.tenant, proved.dataset)
    if dataset is None or dataset.model != event.model:
        foreign = f"But that was proved on dataset {proved.dataset}, which doesn't feed this model"
        how = f"somebody with the scope `deploy` may activate version {event.candidate}."
        return _Decision(old, Action.REFUSE, f"{reason} {foreign}: {how}")
    if obstacle := _obstacle(event, old, models):
        return _Decision(old, Action.REFUSE, obstacle)
    if old.hold:
        return _refused_by(old.hold, event, old, now)
    if old.stable == event.stable:
        new = activated(old, event.candidate, reason, now)
        return _Decision(new, Action.ACTIVATE, new.reason)
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


def _obstacle(event: EvaluationCompleted, old: Deployment, models: Models) -> str | None:
    """Why a candidate that was proved needs no activation, or isn't one for which no person has to answer."""
    if old.stable == event.candidate:
        return f"Version {event.candidate} serves everybody already. {event.verdict.reason}"
    status = models.version(event.tenant, event.model, event.candidate).status
    if status == VersionStatus.READY:
        return None
    why = f"But version {event.candidate} is {status}, and only one that is ready is activated by itself."
    return f"{event.verdict.reason} {why}"


def _refused_by(hold: Hold, event: EvaluationCompleted, old: Deployment, now: datetime) -> _Decision:
    refused = RefusedVersion(version=event.candidate, against=event.stable, evaluation=event.evaluation, at=now)
    new = old.model_copy(update={"hold": hold.with_refused(refused)})
    why = f"But {hold.explain()}, and nothing is activated by itself until a person says so"
    how = (
        f"activate version {event.candidate}, or POST /v1/models/{event.model}/resume and ask for its evaluation again "
        "with `promote: true`."
    )
    return _Decision(new, Action.REFUSE, f"{event.verdict.reason} {why}: {how}")


def _take_off(
    old: Deployment, new: Deployment, how: Takeoff, by: str, reason: str, models: Models, now: datetime
) -> Deployment:
    """Store that a person took a version off; asked once more it changes nothing, and the first to ask stays named."""
    if new is not old or old.hold is None:
        new = held(new, how, by, reason, now)
    return _decide(old, new, Action(how), by, reason, models, now)


def _decide(
    old: Deployment, new: Deployment, action: Action, by: str, reason: str, models: Models, now: datetime
) -> Deployment:
    if new is old:
        return old
    said = new.reason if new.step != old.step else reason
    models.decide(old, new, _entry(new, action, by, said, now))
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


def _require_answering(tenant: str, model: str, number: int, models: Models, *, is_named: bool = True) -> str:
    """Refuse a version that can't answer; gives what there is to say of one that may not be able to.

    What its provider has was asked when it was registered: nobody is asked here. An unverified one has to be named.
    """
    version = models.version(tenant, model, number)
    if version.status == VersionStatus.READY:
        return ""
    if version.status == VersionStatus.UNVERIFIED and is_named:
        return UNVERIFIED.format(number)
    raise Conflict(_why_not(version), param="version", code=CODES.get(version.status))


def _why_not(version: Version) -> str:
    """Why a version can't be activated, and what to do."""
    ready = f"Version {version.number} is {version.status}; only one that is ready can answer."
    match version.status:
        case VersionStatus.VERIFYING:
            return f"{ready} It waits for: {version.waiting_for} Try again in a minute."
        case VersionStatus.UNVERIFIED:
            return f"Version {version.number} is unverified: name it as the `version` to activate it all the same."
        case VersionStatus.FAILED if version.error:
            return f"{ready} {version.error.message}"
        case VersionStatus.DEPLOY_FAILED:
            again = f"POST /v1/models/{version.model}/versions/{version.number}/deploy"
            return f"{ready} {again} asks its provider once more."
    return ready
