"""What every OpenAI shape has in common: fields we don't know are kept, and a shape costs nothing until it is used."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Metadata = Annotated[
    dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]],
    Field(max_length=16),
]


class Shape(BaseModel):
    """A JSON object of OpenAI's wire; its validator is built at first use, so that importing it stays cheap."""

    model_config = ConfigDict(extra="allow", defer_build=True)
