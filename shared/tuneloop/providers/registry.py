"""The provider registry: the providers of a stage by name, each created when it is first needed.

The stage's own provider comes from its settings, Bedrock is there if the stage trains on it, and all others come from
rows that the operator added. Each adapter's libraries are imported with the adapter and not before. The model list of a
provider is cached in the process, so that it is fetched only now and then.
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from time import monotonic
from typing import Any, NamedTuple, Protocol
from weakref import WeakKeyDictionary

from tuneloop.domain.core.errors import ProviderRefused, ProviderUnavailable
from tuneloop.domain.training.providers import BEDROCK, ProviderKind, RegisteredProvider, unknown_provider
from tuneloop.providers.port import Provider
from tuneloop.settings import Settings

# Seconds for a model list while a caller waits: most come within one second, and a route has to answer within 25.
QUICK_LIST_S = 3.0
# How long a list is good for names that are on it: what a provider lists changes by the week.
LIST_KEPT = timedelta(minutes=10)
# How long a list may refuse a name that isn't on it: the model may have been added since.
REFUSES_UNLISTED_FOR = timedelta(seconds=15)
# How long a provider that failed is not asked again: one that hangs would cost every call all of LIST_S.
UNANSWERED_FOR = timedelta(seconds=30)
# How long a process may go on with a provider as it was before its operator changed its address or key parameter. A
# row is read that often for each provider in use: once a minute is nothing beside the calls to the provider itself.
PROVIDER_KEPT_S = 60.0


class _ModelList(NamedTuple):
    """The model names that a provider listed at a time; `error` is the reason if the list could not be read."""

    at: datetime
    names: frozenset[str]
    error: tuple[str, str] | None = None  # message and code


class ModelLists:
    """The latest model list of each provider object of this process; a changed provider is a new object."""

    def __init__(self) -> None:
        self._cached: WeakKeyDictionary[Provider, _ModelList] = WeakKeyDictionary()

    def model_names(self, model: str, provider: Provider, now: datetime) -> frozenset[str]:
        """The names of the models that a provider lists, empty if it has no list; a fetch takes at most 3 s.

        A cached list is fetched anew after some time, sooner if it lacks `model`. ProviderUnavailable if the list can't
        be read now.
        """
        cached = self._cached.get(provider)
        if cached is None or now - cached.at >= _lifetime(cached, model):
            cached = self._cached[provider] = _fetch_model_list(provider, now)
        if cached.error:
            message, code = cached.error
            raise ProviderUnavailable(message, code=code)
        return cached.names


class AddedProviders(Protocol):
    """The rows of the providers that were added to a stage, as the store has them."""

    def find(self, name: str) -> RegisteredProvider | None:
        """The provider of this name; None if none was added."""
        ...

    def all(self) -> Iterable[RegisteredProvider]:
        """Every provider that was added."""
        ...


class ProviderNames:
    """Names of the providers that a stage has, for functions that call none of them and may read no key."""

    def __init__(self, settings: Settings, added: AddedProviders) -> None:
        self.default = settings.provider
        self._built_in = [BEDROCK.name] if settings.bedrock else []
        self._added = added

    def names(self) -> list[str]:
        """The names of all providers of the stage, sorted."""
        return sorted({self.default, *self._built_in, *(row.name for row in self._added.all())})

    def require(self, name: str | None) -> str:
        """The name itself, or the stage's own for None; Conflict if the stage has no provider of the name."""
        if name is None or name == self.default or name in self._built_in:
            return name or self.default
        if self._added.find(name) is None:
            raise unknown_provider(name, self.names())
        return name


class Providers(ProviderNames):
    """Providers by name; `default` is the name of the stage's own, `lists` caches the models that each lists.

    `read_secret` returns the value of an SSM parameter, None if there is none; `connect` creates an AWS client by the
    name of its service.
    """

    def __init__(
        self,
        settings: Settings,
        added: AddedProviders,
        read_secret: Callable[[str], str | None],
        connect: Callable[[str], Any],
    ) -> None:
        super().__init__(settings, added)
        self.lists = ModelLists()
        self._settings, self._read_secret, self._connect = settings, read_secret, connect
        self._own = _own_provider(settings)
        self._created: dict[str, tuple[Provider, RegisteredProvider, float]] = {}

    def get(self, name: str) -> Provider:
        """The provider of this name; Conflict if the stage has none."""
        created = self._created.get(name)
        if created and (name == self.default or monotonic() - created[2] < PROVIDER_KEPT_S):
            return created[0]
        row = self.registration(name)
        provider = created[0] if created and created[1] == row else self._create(row)
        self._created[name] = provider, row, monotonic()
        return provider

    def registration(self, name: str) -> RegisteredProvider:
        """The registration of a provider, from the settings or its row; Conflict if the stage has none of this name."""
        if name == self.default:
            return self._own
        if name in self._built_in:
            return BEDROCK
        if (row := self._added.find(name)) is None:
            raise unknown_provider(name, self.names())
        return row

    def close(self) -> None:
        """Close the connections of all providers; a provider that is needed afterwards is created anew."""
        for provider, *_ in self._created.values():
            provider.close()
        self._created.clear()

    def _create(self, row: RegisteredProvider) -> Provider:
        if row.kind == ProviderKind.BEDROCK:
            from tuneloop.providers.bedrock.adapter import Bedrock, StageResources  # noqa: PLC0415 - see the module's docstring

            place = StageResources(self._settings.stage, self._settings.bucket, self._settings.bedrock_role_arn)
            return Bedrock(row.name, place, lambda: self._connect("s3"))
        from tuneloop.providers.openai.adapter import OpenAICompatible  # noqa: PLC0415

        return OpenAICompatible(row, lambda: self._read_secret(row.key_parameter), self._settings.origin)


def _lifetime(cached: _ModelList, model: str) -> timedelta:
    """How long a cached list answers for a model; a server without a list is asked as rarely as for a listed model."""
    if cached.error:
        return UNANSWERED_FOR
    return LIST_KEPT if model in cached.names or not cached.names else REFUSES_UNLISTED_FOR


def _fetch_model_list(provider: Provider, now: datetime) -> _ModelList:
    try:
        provider.prepare()  # in a cold process the imports take longer than the list, and would use up its time
        return _ModelList(now, frozenset(model.id for model in provider.models(QUICK_LIST_S)))
    except ProviderRefused:  # a server without such a list
        return _ModelList(now, frozenset())
    except ProviderUnavailable as error:
        return _ModelList(now, frozenset(), (error.message, error.code))


def _own_provider(settings: Settings) -> RegisteredProvider:
    if settings.provider == BEDROCK.name:
        return BEDROCK
    if settings.provider_key_parameter is None:
        raise RuntimeError("TUNELOOP_PROVIDER_KEY_PARAMETER is not set: this function's row asks for no provider")
    return RegisteredProvider(
        name=settings.provider, base_url=settings.provider_base_url, key_parameter=settings.provider_key_parameter
    )
