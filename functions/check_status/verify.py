"""Verifying: asking a provider whether it has the model of a version that was registered by hand."""

from datetime import datetime

from tuneloop.domain.core.errors import Conflict, ProviderRefused, ProviderUnavailable
from tuneloop.domain.serving.models import Version
from tuneloop.domain.serving.verification import NO_WAY, as_unknown_model, as_unverified, as_verified, with_no_answer
from tuneloop.observability import count
from tuneloop.providers.port import KEY_TROUBLE
from tuneloop.providers.registry import Providers
from tuneloop.store.repositories.models import Models

# Two calls, one for the model and one for the list. Nobody waits for it but the next version of the sweep.
ASKING_S = 10.0


def verify(version: Version, *, providers: Providers, models: Models, now: datetime) -> Version:
    """The version after its provider was asked, as it is stored; Stale where it was changed meanwhile.

    One that the stage has no key for can't be asked; one that is away, or was removed, is asked again for an hour.
    """
    try:
        has_it = providers.get(version.provider).has_model(version.provider_model, ASKING_S)
    except (ProviderUnavailable, ProviderRefused, Conflict) as error:
        if error.code in KEY_TROUBLE or isinstance(error, ProviderRefused):
            return models.save_version(as_unverified(version, error.message, now))
        return models.save_version(with_no_answer(version, error.message, now))
    if has_it:
        return models.deployed(as_verified(version, now), now)
    if has_it is None:
        return models.save_version(as_unverified(version, NO_WAY, now))
    count("VersionsFailed")
    return models.save_version(as_unknown_model(version, now))
