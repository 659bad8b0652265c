"""The settings of a function: its environment variables, typed, read once at cold start."""

import os
from collections.abc import Mapping
from typing import Self

from pydantic import BaseModel, ValidationError, model_validator

PREFIX = "TUNELOOP_"


class Settings(BaseModel):
    """The settings of a function; it is given those that its row in `infra/functions.py` names. `_s` is in seconds.

    `origin` distinguishes this stage's jobs and files at a provider from those of another stage of the same name.
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
    settle_s: int = 60  # quiet time after a dataset's last change before the change is announced
    refresh_after_s: float = 15  # a read of a run asks its provider again if the last answer is older
    unseen_after_s: float = 600  # the sweep collects an uploaded file without a row when it is older
    quiet_s: float = 3600  # no process lives as long, so objects that were replaced before that are read by nobody

    @model_validator(mode="after")
    def _default_origin(self) -> Self:
        self.origin = self.origin or self.stage
        return self

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read the `TUNELOOP_…` variables; RuntimeError that names those that are missing or wrong."""
        values = {name: environment.get(PREFIX + name.upper()) for name in cls.model_fields}
        try:
            return cls.model_validate({name: value for name, value in values.items() if value})
        except ValidationError as error:
            wrong = ", ".join(f"{PREFIX}{str(fault['loc'][0]).upper()} ({fault['msg']})" for fault in error.errors())
            raise RuntimeError(f"The environment is incomplete: {wrong}") from error
