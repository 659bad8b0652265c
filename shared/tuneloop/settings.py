"""Settings: the environment of a function, typed, read once at cold start."""

import os
from collections.abc import Mapping
from typing import Self

from pydantic import BaseModel, ValidationError, model_validator

PREFIX = "TUNELOOP_"


class Settings(BaseModel):
    """What a function is told by its environment: only what it uses, as its row of the table says.

    `origin` tells what this stage has at a provider from what one of the same name, elsewhere or before, has there.
    """

    stage: str
    origin: str = ""
    table: str
    bucket: str | None = None
    bus: str | None = None
    examples_queue_url: str | None = None
    usage_queue_url: str | None = None
    provider: str = "bedrock"
    provider_base_url: str = ""
    provider_key_parameter: str | None = None
    base_model: str = "amazon.nova-micro-v1:0"
    bedrock: bool = False
    bedrock_role_arn: str | None = None
    settle_s: int = 60
    refresh_after_s: float = 15
    unseen_after_s: float = 600
    quiet_s: float = 3600

    @model_validator(mode="after")
    def _comes_from_somewhere(self) -> Self:
        self.origin = self.origin or self.stage
        return self

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """The settings in `TUNELOOP_…` variables, or an error that names the variables that are missing or wrong."""
        values = {name: environment.get(PREFIX + name.upper()) for name in cls.model_fields}
        try:
            return cls.model_validate({name: value for name, value in values.items() if value})
        except ValidationError as error:
            wrong = ", ".join(f"{PREFIX}{str(fault['loc'][0]).upper()} ({fault['msg']})" for fault in error.errors())
            raise RuntimeError(f"The environment is incomplete: {wrong}") from error
