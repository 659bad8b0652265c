"""Model lists: what providers list, remembered in this process, so that a door asks for a list now and then only."""

from datetime import datetime, timedelta
from typing import NamedTuple
from weakref import WeakKeyDictionary

from tuneloop.domain.core.errors import ProviderRefused, ProviderUnavailable
from tuneloop.providers.port import Provider

# A caller waits for it: a list comes within a second, and a door has to answer within 25.
ASKING_S = 3.0
# What a provider lists changes by the week.
KEPT = timedelta(minutes=10)
# A name that a list lacks may have been added since: no list that is older than this refuses anything.
REFUSES_FOR = timedelta(seconds=15)
# A provider that hangs would cost every call the whole time that it may take.
UNANSWERED_FOR = timedelta(seconds=30)


class _Kept(NamedTuple):
    """A provider's answer and when it was asked for; `trouble` is why there is none."""

    at: datetime
    names: frozenset[str]
    trouble: tuple[str, str] | None = None  # message and code


class ModelLists:
    """The latest list of each provider that is alive in this process; a provider that was changed is another one."""

    def __init__(self) -> None:
        self._kept: WeakKeyDictionary[Provider, _Kept] = WeakKeyDictionary()

    def model_names(self, model: str, provider: Provider, now: datetime) -> frozenset[str]:
        """The names of the models that a provider lists, nothing where it keeps no list; asks for at most 3 s.

        A list that is some time old and lacks `model` is asked for anew. ProviderUnavailable where it can't be had now.
        """
        kept = self._kept.get(provider)
        if kept is None or now - kept.at >= _lasts(kept, model):
            kept = self._kept[provider] = _ask(provider, now)
        if kept.trouble:
            message, code = kept.trouble
            raise ProviderUnavailable(message, code=code)
        return kept.names


def _lasts(kept: _Kept, model: str) -> timedelta:
    if kept.trouble:
        return UNANSWERED_FOR
    return KEPT if model in kept.names or not kept.names else REFUSES_FOR


def _ask(provider: Provider, now: datetime) -> _Kept:
    try:
        provider.prepare()  # in a cold process that takes longer than the provider does
        return _Kept(now, frozenset(model.id for model in provider.models(ASKING_S)))
    except ProviderRefused:  # a server without such a list
        return _Kept(now, frozenset())
    except ProviderUnavailable as error:
        return _Kept(now, frozenset(), (error.message, error.code))
