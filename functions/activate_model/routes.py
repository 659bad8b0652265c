"""The registry routes: models, versions, deployments and the decisions about them."""

from activate_model.activate import DecideByHand, ManualDecision
from activate_model.versions import NewModelRequest, NewVersionRequest, RegisterByHand, VersionUpkeep
from activate_model.views import (
    Activation,
    CurrentDeployment,
    DeploymentChange,
    ListedVersion,
    ModelView,
    Number,
    Reason,
    ResumedDeployment,
    current_deployment,
    listed_version,
)
from tuneloop.api.router import Api, Cursor, Limit, ListOf, Name, list_of, list_view, view
from tuneloop.app import app, utc_now
from tuneloop.domain.core.access import Scope
from tuneloop.domain.serving.models import HistoryEntry, VersionView

api = Api(app)

AS_BEFORE, BY_HAND = Activation(), Reason()  # what an empty request means


@api.route("POST /v1/models", Scope.DEPLOY, status=201)
def create_model(new: NewModelRequest) -> ModelView:
    """Register a model without a dataset; its base model answers until a version is activated."""
    return view(ModelView, _register_by_hand().register_model(api.tenant, new, utc_now()))


@api.route("POST /v1/models/{model}/versions", Scope.DEPLOY, status=201)
def create_version(model: Name, new: NewVersionRequest) -> VersionView:
    """Register a version from a provider's model id; its provider is asked at once whether it has such a model.

    Until then it is `verifying` and can't be activated. Then it is `ready`, `failed` where the provider says that there
    is no such model, or `unverified` where it can't be asked: who trusts it all the same activates it by its number.
    """
    return view(VersionView, _register_by_hand().register_version(api.tenant, model, new, utc_now()))


@api.route("GET /v1/models/{model}/versions", Scope.READ)
def list_versions(model: Name, limit: Limit = 20, cursor: Cursor = None) -> ListOf[ListedVersion]:
    """A model's versions, newest first; number 0 is the base model."""
    app.models.get(api.tenant, model)
    return list_of(app.models.versions(api.tenant, model, limit, cursor), listed_version)


@api.route("DELETE /v1/models/{model}/versions/{number}", Scope.DEPLOY)
def retire_version(model: Name, number: Number) -> VersionView:
    """Retire a version that nothing needs any more; `removed_at` says since when its provider keeps nothing of it."""
    return view(VersionView, VersionUpkeep(app.models).retire(api.tenant, model, number, utc_now()))


@api.route("POST /v1/models/{model}/versions/{number}/deploy", Scope.DEPLOY)
def deploy_version(model: Name, number: Number) -> VersionView:
    """Ask the provider once more to serve a version whose deployment failed; nothing is trained again.

    Of a version that was registered by hand and is `failed` or `unverified` the provider is asked for its model again.
    """
    return view(VersionView, VersionUpkeep(app.models).redeploy(api.tenant, model, number, utc_now()))


@api.route("GET /v1/models/{model}/deployment", Scope.READ)
def get_deployment(model: Name) -> CurrentDeployment:
    """Which version answers, which is candidate and for which share of the users, and what holds the next one back."""
    return current_deployment(app.models.deployment_with_hold(api.tenant, model))


@api.route("PUT /v1/models/{model}/deployment", Scope.DEPLOY)
def put_deployment(model: Name, change: DeploymentChange) -> CurrentDeployment:
    """Set the candidate and its share; a hold is neither made nor lifted by that."""
    decision = _decision(model, change.reason)
    return current_deployment(DecideByHand(app.models).share(decision, change.candidate, change.share))


@api.route("POST /v1/models/{model}/activate", Scope.DEPLOY)
def post_activate(model: Name, activation: Activation = AS_BEFORE) -> CurrentDeployment:
    """Serve everybody with a version, the one that did so before unless another is named; that lifts a hold.

    Putting version 0 back, the base model, makes a hold, as `deactivate` does.
    """
    decision = _decision(model, activation.reason)
    return current_deployment(DecideByHand(app.models).activate(decision, activation.version))


@api.route("POST /v1/models/{model}/deactivate", Scope.DEPLOY)
def post_deactivate(model: Name, why: Reason = BY_HAND) -> CurrentDeployment:
    """Serve everybody with the base model; no version is activated by itself until somebody activates or resumes."""
    return current_deployment(DecideByHand(app.models).deactivate(_decision(model, why.reason)))


@api.route("POST /v1/models/{model}/rollback", Scope.DEPLOY)
def post_rollback(model: Name, why: Reason = BY_HAND) -> CurrentDeployment:
    """Take the candidate off, or put back the version that was stable before; a hold then keeps it so.

    No version is activated by itself until somebody activates or resumes.
    """
    return current_deployment(DecideByHand(app.models).roll_back(_decision(model, why.reason)))


@api.route("POST /v1/models/{model}/resume", Scope.DEPLOY)
def post_resume(model: Name, why: Reason = BY_HAND) -> ResumedDeployment:
    """Let better versions be activated by themselves again, after a deactivate or rollback by hand.

    Nothing is activated by this call: `could_activate` names what was proved better meanwhile. Activate one of those,
    or ask for its evaluation again with `promote: true`.
    """
    resumed = DecideByHand(app.models).resume(_decision(model, why.reason))
    deployment = current_deployment(resumed.deployment)
    return view(ResumedDeployment, deployment, could_activate=resumed.could_activate)


@api.route("GET /v1/models/{model}/history", Scope.READ)
def list_history(model: Name, limit: Limit = 20, cursor: Cursor = None) -> ListOf[HistoryEntry]:
    """The decisions about a model, newest first, each with its reason."""
    app.models.get(api.tenant, model)
    return list_view(app.models.history(api.tenant, model, limit, cursor), HistoryEntry)


def _register_by_hand() -> RegisterByHand:
    return RegisterByHand(app.models, app.known_providers, app.settings.base_model)


def _decision(model: str, reason: str) -> ManualDecision:
    """The caller's decision about a model of his tenant, made now."""
    return ManualDecision(api.tenant, model, f"key {api.caller.id}", reason, utc_now())
