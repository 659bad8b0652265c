"""What every OpenAI shape has in common: fields we don't know are kept and passed on."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Metadata = Annotated[
    dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]],
    Field(max_length=16),
]


class Shape(BaseModel):
    """A JSON object of OpenAI's wire, with whatever else a provider or an app put into it."""

    model_config = ConfigDict(extra="allow")
