"""Providing: which providers a stage has, and how each is made once somebody needs it.

One comes from the stage's settings, Bedrock by itself where the stage has it, the others from rows. Each brings its own
libraries, which are imported with it and not before.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tuneloop.domain.training.providers import BEDROCK, ProviderKind, RegisteredProvider, unknown_provider
from tuneloop.providers.registry import Providers
from tuneloop.settings import Settings

if TYPE_CHECKING:
    from tuneloop.providers.port import Provider
    from tuneloop.store.repositories.providers import ProviderRows


class KnownProviders:
    """Which providers a stage knows, by name only: for who needs no key."""

    def __init__(self, settings: Settings, rows: "ProviderRows") -> None:
        self.default = settings.provider
        self._built_in = [BEDROCK.name] if settings.bedrock else []
        self._rows = rows

    def names(self) -> list[str]:
        """All of them."""
        return sorted({self.default, *self._built_in, *(row.name for row in self._rows.all())})

    def require(self, name: str | None) -> str:
        """The name itself, the stage's own where there is none; Conflict where the stage knows no such provider."""
        if name is None or name == self.default or name in self._built_in:
            return name or self.default
        if self._rows.find(name) is None:
            raise unknown_provider(name, self.names())
        return name


def providers_of(
    settings: Settings, rows: "ProviderRows", secret: Callable[[str], str | None], connect: Callable[[str], Any]
) -> Providers:
    """The stage's providers; `secret` reads what an SSM parameter holds, `connect` makes a client of AWS."""

    def make(registered: RegisteredProvider) -> "Provider":
        if registered.kind == ProviderKind.BEDROCK:
            from tuneloop.providers.bedrock.adapter import Bedrock, StageResources  # noqa: PLC0415 - see the module's docstring

            place = StageResources(settings.stage, settings.bucket, settings.bedrock_role_arn)
            return Bedrock(registered.name, place, lambda: connect("s3"))
        from tuneloop.providers.openai.adapter import OpenAICompatible  # noqa: PLC0415

        return OpenAICompatible(registered, lambda: secret(registered.key_parameter), settings.origin)

    built_in = {BEDROCK.name: BEDROCK} if settings.bedrock else {}
    known = KnownProviders(settings, rows)
    return Providers(_own(settings), lambda name: built_in.get(name) or rows.find(name), make, known.names)


def _own(settings: Settings) -> RegisteredProvider:
    if settings.provider == BEDROCK.name:
        return BEDROCK
    if settings.provider_key_parameter is None:
        raise RuntimeError("TUNELOOP_PROVIDER_KEY_PARAMETER is not set: this function's row asks for no provider")
    return RegisteredProvider(
        name=settings.provider, base_url=settings.provider_base_url, key_parameter=settings.provider_key_parameter
    )
