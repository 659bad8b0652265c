"""The provider registry: every provider that a stage has, by name, each made when it is first needed.

The stage's own provider comes from its settings, Bedrock by itself where the stage trains there, the others from rows
that its operator added. Each adapter brings its own libraries, which are imported with it and not before. The models
that a provider lists are remembered in the process, so that they are asked for now and then only.
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

# Seconds for a list while a caller waits: most come within one, and a route has to answer within 25.
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
    """The model names that a provider listed at a time; `trouble` is why there are none."""

    at: datetime
    names: frozenset[str]
    trouble: tuple[str, str] | None = None  # message and code


class ModelLists:
    """The latest model list of each provider object of this process; a changed provider is a new object."""

    def __init__(self) -> None:
        self._kept: WeakKeyDictionary[Provider, _ModelList] = WeakKeyDictionary()

    def model_names(self, model: str, provider: Provider, now: datetime) -> frozenset[str]:
        """The names of the models that a provider lists, nothing where it keeps no list; asks for at most 3 s.

        A list that is some time old and lacks `model` is asked for anew. ProviderUnavailable where it can't be had now.
        """
        kept = self._kept.get(provider)
        if kept is None or now - kept.at >= _lifetime(kept, model):
            kept = self._kept[provider] = _fetch_model_list(provider, now)
        if kept.trouble:
            message, code = kept.trouble
            raise ProviderUnavailable(message, code=code)
        return kept.names


def _lifetime(kept: _ModelList, model: str) -> timedelta:
    if kept.trouble:
        return UNANSWERED_FOR
    return LIST_KEPT if model in kept.names or not kept.names else REFUSES_UNLISTED_FOR


def _fetch_model_list(provider: Provider, now: datetime) -> _ModelList:
    try:
        provider.prepare()  # in a cold process that takes longer than the provider does
        return _ModelList(now, frozenset(model.id for model in provider.models(QUICK_LIST_S)))
    except ProviderRefused:  # a server without such a list
        return _ModelList(now, frozenset())
    except ProviderUnavailable as error:
        return _ModelList(now, frozenset(), (error.message, error.code))


class AddedProviders(Protocol):
    """The rows of the providers that were added to a stage, as the store has them."""

    def find(self, name: str) -> RegisteredProvider | None:
        """The provider of that name, if it was added."""
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
        """All names, sorted."""
        return sorted({self.default, *self._built_in, *(row.name for row in self._added.all())})

    def require(self, name: str | None) -> str:
        """The name itself, the stage's own where there is none; Conflict where the stage has no such provider."""
        if name is None or name == self.default or name in self._built_in:
            return name or self.default
        if self._added.find(name) is None:
            raise unknown_provider(name, self.names())
        return name


class Providers(ProviderNames):
    """Providers by name; `default` is the stage's own, `lists` remembers what each of them lists.

    `read_secret` gives the value of an SSM parameter, None where there is none; `connect` makes a client of AWS.
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
        self._made: dict[str, tuple[Provider, RegisteredProvider, float]] = {}

    def get(self, name: str) -> Provider:
        """The provider of that name; Conflict where the stage has none."""
        made = self._made.get(name)
        if made and (name == self.default or monotonic() - made[2] < PROVIDER_KEPT_S):
            return made[0]
        row = self.registration(name)
        provider = made[0] if made and made[1] == row else self._make(row)
        self._made[name] = provider, row, monotonic()
        return provider

    def registration(self, name: str) -> RegisteredProvider:
        """How to reach a provider, from the settings or its row; Conflict where the stage has none of that name."""
        if name == self.default:
            return self._own
        if name in self._built_in:
            return BEDROCK
        if (row := self._added.find(name)) is None:
            raise unknown_provider(name, self.names())
        return row

    def close(self) -> None:
        """Close the connections of all providers; one that is needed afterwards is made anew."""
        for provider, *_ in self._made.values():
            provider.close()
        self._made.clear()

    def _make(self, row: RegisteredProvider) -> Provider:
        if row.kind == ProviderKind.BEDROCK:
            from tuneloop.providers.bedrock.adapter import Bedrock, StageResources  # noqa: PLC0415 - see the module's docstring

            place = StageResources(self._settings.stage, self._settings.bucket, self._settings.bedrock_role_arn)
            return Bedrock(row.name, place, lambda: self._connect("s3"))
        from tuneloop.providers.openai.adapter import OpenAICompatible  # noqa: PLC0415

        return OpenAICompatible(row, lambda: self._read_secret(row.key_parameter), self._settings.origin)


def _own_provider(settings: Settings) -> RegisteredProvider:
    if settings.provider == BEDROCK.name:
        return BEDROCK
    if settings.provider_key_parameter is None:
        raise RuntimeError("TUNELOOP_PROVIDER_KEY_PARAMETER is not set: this function's row asks for no provider")
    return RegisteredProvider(
        name=settings.provider, base_url=settings.provider_base_url, key_parameter=settings.provider_key_parameter
    )
