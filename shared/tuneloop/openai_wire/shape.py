"""What OpenAI's shapes have in common: unknown fields are kept and passed on, and odd values can count as absent."""

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


def _or_none(value: object, read: Any) -> Any:
    try:
        return read(value)
    except (ValueError, OverflowError):
        return None


def or_default(cls: type[BaseModel], value: object, read: Any, field: ValidationInfo) -> Any:
    """A wrap validator of a field of the class `cls`: an odd value becomes the field's default."""
    try:
        return read(value)
    except (ValueError, OverflowError):
        return cls.model_fields[str(field.field_name)].get_default(call_default_factory=True)


LenientField = WrapValidator(_or_none)
"""Marks a field in which an odd value becomes None, in place of a validation error."""
