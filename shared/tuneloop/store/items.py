"""Rows: how a pydantic model becomes a DynamoDB item and back.

Attributes are native; floats travel as DynamoDB numbers and money as strings of exact decimals. DynamoDB's numbers end
at 1e-130 and 1e126: what is smaller is nothing, what is larger travels as a string, which a float field reads the same.
"""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from pydantic import BaseModel

Item = dict[str, Any]
SMALLEST, LARGEST = Decimal("1e-100"), Decimal("1e100")
_serialize = TypeSerializer().serialize
_deserialize = TypeDeserializer().deserialize


def to_item(attributes: Mapping[str, Any]) -> Item:
    """Plain values as DynamoDB's typed attributes."""
    return {name: _serialize(value) for name, value in attributes.items()}


def from_item(item: Mapping[str, Any]) -> Item:
    """DynamoDB's typed attributes as plain values; a counter that is no whole number stays an exact Decimal."""
    plain = {name: _deserialize(value) for name, value in item.items()}
    return {name: value if _is_fraction(value) else _plain(value) for name, value in plain.items()}


def attributes_of(entity: BaseModel) -> Item:
    """An entity's fields as storable values; absent fields are left out."""
    fields: Item = json.loads(entity.model_dump_json(exclude_none=True), parse_float=_number)
    return fields


def _number(text: str) -> Decimal | str:
    """A float as DynamoDB can hold it; a p-value may well lie below its numbers, and what a provider says above."""
    number = Decimal(text)
    if abs(number) > LARGEST:
        return text
    return number if abs(number) >= SMALLEST else Decimal(0)


def _is_fraction(value: Any) -> bool:
    return isinstance(value, Decimal) and value != value.to_integral_value()


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value) if _is_fraction(value) else int(value)
    if isinstance(value, list):
        return [_plain(part) for part in value]
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    return value
