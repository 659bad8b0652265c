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

DEFAULT_ACTIVATION, DEFAULT_REASON = Activation(), Reason()  # the bodies that stand for an empty request


@api.route("POST /v1/models", Scope.DEPLOY, status=201)
def create_model(new: NewModelRequest) -> ModelView:
    """Register a model without a dataset; its base model answers until a version is activated."""
    return view(ModelView, _register_by_hand().register_model(api.tenant, new, utc_now()))


@api.route("POST /v1/models/{model}/versions", Scope.DEPLOY, status=201)
def create_version(model: Name, new: NewVersionRequest) -> VersionView:
    """Register a version from a provider's model id; its provider is asked at once whether it has such a model.

    Until the provider answers, the version is `verifying` and can't be activated. Then it is `ready`, `failed` if the
    provider has no such model, or `unverified` if it can't be asked: such a version is activated only by its number.
    """
    return view(VersionView, _register_by_hand().register_version(api.tenant, model, new, utc_now()))


@api.route("GET /v1/models/{model}/versions", Scope.READ)
def list_versions(model: Name, limit: Limit = 20, cursor: Cursor = None) -> ListOf[ListedVersion]:
    """A model's versions, newest first; number 0 is the base model."""
    app.models.get(api.tenant, model)
    return list_of(app.models.versions(api.tenant, model, limit, cursor), listed_version)


@api.route("DELETE /v1/models/{model}/versions/{number}", Scope.DEPLOY)
def retire_version(model: Name, number: Number) -> VersionView:
    """Retire a version that is no longer needed; `removed_at` says since when its provider keeps nothing of it."""
    return view(VersionView, VersionUpkeep(app.models).retire(api.tenant, model, number, utc_now()))


@api.route("POST /v1/models/{model}/versions/{number}/deploy", Scope.DEPLOY)
def deploy_version(model: Name, number: Number) -> VersionView:
    """Ask the provider once more to serve a version whose deployment failed; nothing is trained again.

    For a version that was registered by hand and is `failed` or `unverified`, the provider is asked again whether it
    has the model.
    """
    return view(VersionView, VersionUpkeep(app.models).redeploy(api.tenant, model, number, utc_now()))


@api.route("GET /v1/models/{model}/deployment", Scope.READ)
def get_deployment(model: Name) -> CurrentDeployment:
    """The stable version, the candidate and its share of the users, and why no other version is activated by itself."""
    return current_deployment(app.models.deployment_with_hold(api.tenant, model))


@api.route("PUT /v1/models/{model}/deployment", Scope.DEPLOY)
def put_deployment(model: Name, change: DeploymentChange) -> CurrentDeployment:
    """Set the candidate and its share of the users; this neither makes a hold nor lifts one."""
    decision = _decision(model, change.reason)
    return current_deployment(DecideByHand(app.models).set_share(decision, change.candidate, change.share))


@api.route("POST /v1/models/{model}/activate", Scope.DEPLOY)
def post_activate(model: Name, activation: Activation = DEFAULT_ACTIVATION) -> CurrentDeployment:
    """Serve everybody with a version, by default the one that was stable before; that lifts a hold.

    Activating version 0, the base model, makes a hold instead, as `deactivate` does.
    """
    decision = _decision(model, activation.reason)
    return current_deployment(DecideByHand(app.models).activate(decision, activation.version))


@api.route("POST /v1/models/{model}/deactivate", Scope.DEPLOY)
def post_deactivate(model: Name, why: Reason = DEFAULT_REASON) -> CurrentDeployment:
    """Serve everybody with the base model; no version is activated by itself until somebody activates or resumes."""
    return current_deployment(DecideByHand(app.models).deactivate(_decision(model, why.reason)))


@api.route("POST /v1/models/{model}/rollback", Scope.DEPLOY)
def post_rollback(model: Name, why: Reason = DEFAULT_REASON) -> CurrentDeployment:
    """Take the candidate off, or put back the version that was stable before; this makes a hold.

    No version is activated by itself until somebody activates or resumes.
    """
    return current_deployment(DecideByHand(app.models).roll_back(_decision(model, why.reason)))


@api.route("POST /v1/models/{model}/resume", Scope.DEPLOY)
def post_resume(model: Name, why: Reason = DEFAULT_REASON) -> ResumedDeployment:
    """Let better versions be activated by themselves again, after a deactivate or rollback by hand.

    This call activates nothing: `could_activate` lists the versions that proved better meanwhile. Activate one of
    those, or ask for its evaluation again with `promote: true`.
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
    """The decision that this request makes about a model, with the caller's key and the current time."""
    return ManualDecision(api.tenant, model, f"key {api.caller.id}", reason, utc_now())
