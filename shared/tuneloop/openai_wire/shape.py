"""What OpenAI's shapes have in common: unknown fields are kept and passed on, and odd ones can be forgiven."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, WrapValidator

Metadata = Annotated[
    dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]],
    Field(max_length=16),
]
LARGEST_COUNT = 10**15
"""More tokens, steps or seconds than anything has; a count above it makes no sense."""


class Shape(BaseModel):
    """A JSON object of OpenAI's wire, with whatever else a provider or an app put into it."""

    model_config = ConfigDict(extra="allow")


def _or_nothing(value: object, read: Any) -> Any:
    try:
        return read(value)
    except (ValueError, OverflowError):
        return None


def or_default(cls: type[BaseModel], value: object, read: Any, field: ValidationInfo) -> Any:
    """Validate a field of the class `cls` (mode `wrap`): one that makes no sense is one that isn't there."""
    try:
        return read(value)
    except (ValueError, OverflowError):
        return cls.model_fields[str(field.field_name)].get_default(call_default_factory=True)


LenientField = WrapValidator(_or_nothing)
"""What makes no sense in a field is nothing in it."""
