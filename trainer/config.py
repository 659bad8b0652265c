"""Configuration of a trainer: what makes it like one server of its wires or another."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class TrainerOptions:
    """The ways in which servers of these wires differ; the defaults are OpenAI's and Bedrock's own."""

    keeps_metadata: bool = True
    """False plays a server that ignores a job's metadata, when it is given and when it is searched by."""
    shutdown_dates: Mapping[str, str] = field(default_factory=dict)
    """When a base model and what was tuned from it end: ISO dates by the model's id."""
    settle_s: float = 0.5
    """How long Bedrock's deployments are `Creating`, and its jobs `Stopping`, in seconds."""
