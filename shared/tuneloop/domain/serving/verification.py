"""Verification of versions that were registered by hand: whether their provider has such a model.

    verifying -> ready        the provider has it
              -> failed       the provider says that there is no such model
              -> unverified   the provider can't be asked, or could not for an hour

A version with a mistyped model id can't answer, and every user would silently be served by its fallback.
"""

from datetime import datetime, timedelta

from tuneloop.domain.core.redaction import safe_model_id
from tuneloop.domain.serving.models import Version, VersionStatus
from tuneloop.domain.training.jobs import RunError

# Most outages of a provider last minutes. After an hour the person who waits for the version decides.
GIVE_UP_AFTER = timedelta(hours=1)
NO_SUCH_MODEL = "model_not_found"
WAITS_FOR_PROVIDER = "Its provider's word that it has this model; that takes seconds."
VERIFY_IS_FALSE = "it was registered with `verify` as false"
NO_MODEL_LIST = "its provider has no list of models to look into, or none that says what can be called"
WAITS_FOR_PERSON = (
    "A person: nobody could check that the provider has this model ({0}). Activate it by its number if you trust it, "
    "or POST …/versions/{1}/deploy to ask again."
)


def with_verification(version: Version, now: datetime) -> Version:
    """The version as `verifying`: its provider is to be asked whether it has the model."""
    begun = {"status": VersionStatus.VERIFYING, "waiting_for": WAITS_FOR_PROVIDER, "error": None, "checked_at": None}
    return version.model_copy(update={**begun, "verifying_since": now})


def as_verified(version: Version, now: datetime) -> Version:
    """The version as ready: its provider has the model."""
    return _with_result(version, VersionStatus.READY, now)


def as_unknown_model(version: Version, now: datetime) -> Version:
    """The version as failed: its provider says that it has no such model."""
    message = (
        f"{version.provider} has no model {safe_model_id(version.provider_model)}. Register it under the id that the "
        f"provider shows; if it has been made since, POST /v1/models/{version.model}/versions/{version.number}/deploy "
        "asks once more."
    )
    error = RunError(code=NO_SUCH_MODEL, message=message, param="provider_model")
    return _with_result(version, VersionStatus.FAILED, now).model_copy(update={"error": error})


def as_unverified(version: Version, why: str, now: datetime) -> Version:
    """The version as `unverified`, with the reason why its provider can't tell whether it has the model."""
    waits = WAITS_FOR_PERSON.format(why.rstrip("."), version.number)
    return _with_result(version, VersionStatus.UNVERIFIED, now).model_copy(update={"waiting_for": waits})


def with_no_answer(version: Version, why: str, now: datetime) -> Version:
    """The version after its provider could not be asked: still to be verified, or unverified once an hour is over."""
    if now - (version.verifying_since or version.created_at) >= GIVE_UP_AFTER:
        return as_unverified(version, f"for an hour its provider could not be asked ({why.rstrip('.')})", now)
    return version.model_copy(update={"waiting_for": f"Its provider: {why}", "checked_at": now})


def _with_result(version: Version, status: VersionStatus, now: datetime) -> Version:
    return version.model_copy(update={"status": status, "waiting_for": None, "error": None, "checked_at": now})
