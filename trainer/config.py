"""How a trainer may be set up to be like one server or another."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Options:
    """What differs between servers that speak these wires; the defaults are OpenAI's and Bedrock's own ways."""

    keeps_metadata: bool = True
    """False plays a server that ignores a job's metadata, when it is given and when it is searched by."""
    shutdown_dates: Mapping[str, str] = field(default_factory=dict)
    """When a base model and what was tuned from it end: ISO dates by the model's id."""
    settle_s: float = 0.5
    """How long Bedrock's deployments are `Creating`, and its jobs `Stopping`, in seconds."""
