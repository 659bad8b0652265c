"""The two stages: `local` (MiniStack on this machine, trained by our trainer) and `prod` (an AWS account).

A stage is the whole difference between the two deployments; everything else of the stack is the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

ROOT = Path(__file__).resolve().parent.parent
OVERRIDABLE = ("provider_base_url", "base_model", "functions_root", "layer_root")


@dataclass(frozen=True)
class Stage:
    """What a stage sets: who trains, how patient the loop is, and how carefully data is kept."""

    name: Literal["local", "prod"]
    provider: str
    provider_base_url: str
    base_model: str
    settle_s: int
    refresh_after_s: int
    log_retention_days: int
    keeps_data: bool  # deleting the stack leaves table and bucket, and the table refuses deletion
    enforces_ssl: bool
    traces: bool
    requests_per_s: int = 50
    request_burst: int = 100
    functions_root: Path = ROOT / "functions"
    layer_root: Path = ROOT / "shared"

    @property
    def key_parameter(self) -> str:
        """The SSM SecureString that holds the provider's API key; made by hand or by `local`, never by the stack."""
        return f"/tuneloop/{self.name}/providers/{self.provider}/key"

    @property
    def has_built_layer(self) -> bool:
        """Whether the layer carries its dependencies; bare, only an interpreter that has them can run the functions."""
        return (self.layer_root / "python").is_dir()

    def function_name(self, name: str) -> str:
        """The name in AWS of a row of the table."""
        return f"tuneloop-{self.name}-{name}"


LOCAL = Stage(
    name="local",
    provider="trainer",
    provider_base_url="http://127.0.0.1:4570/v1",
    base_model="tuneloop-linear-1",
    settle_s=2,
    refresh_after_s=1,
    log_retention_days=1,
    keeps_data=False,
    enforces_ssl=False,  # MiniStack speaks plain http
    traces=False,
)

PROD = Stage(
    name="prod",
    provider="openai",
    provider_base_url="https://api.openai.com/v1",
    base_model="gpt-4.1-mini-2025-04-14",
    settle_s=60,
    refresh_after_s=15,
    log_retention_days=30,
    keeps_data=True,
    enforces_ssl=True,
    traces=True,
)


def stage_named(name: str | None, overrides: Mapping[str, str]) -> Stage:
    """The stage called `name` with its text fields overridden; ValueError for a name or field that does not exist."""
    stage = {"local": LOCAL, "prod": _with_built_layer(PROD)}.get(name or "")
    if stage is None:
        raise ValueError(f"unknown stage {name!r}: pass -c stage=local or -c stage=prod")
    unknown = set(overrides) - set(OVERRIDABLE)
    if unknown:
        raise ValueError(f"stage {name!r} has no setting {sorted(unknown)}; these can be set: {', '.join(OVERRIDABLE)}")
    changes: dict[str, Any] = {key: Path(text) if key.endswith("_root") else text for key, text in overrides.items()}
    return replace(stage, **changes)


def _with_built_layer(stage: Stage) -> Stage:
    built = ROOT / "build" / "layer"
    return replace(stage, layer_root=built) if built.is_dir() else stage
