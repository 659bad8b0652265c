"""Cursors: where the next page of a listing begins, as a text that a client sends back."""

import base64
import json
from collections.abc import Mapping

from tuneloop.domain.core.errors import InvalidInput
from tuneloop.store.keys import INDEX_KEYS, Key


def encode_cursor(start: Mapping[str, str]) -> str:
    """The cursor of a query's start key: the table's `pk` and `sk`, and the index's own keys if an index is queried."""
    return base64.urlsafe_b64encode(json.dumps(start).encode()).decode()


def decode_cursor(cursor: str, partition: str, index: str | None = None, prefix: str = "") -> dict[str, str]:
    """The start key in a cursor; InvalidInput for a cursor of another listing, so that none leads into others' rows."""
    try:
        start = json.loads(base64.urlsafe_b64decode(cursor))
    except (ValueError, RecursionError) as error:
        raise bad_cursor() from error
    pk, sk = INDEX_KEYS[index]
    if not isinstance(start, dict) or start.keys() != {"pk", "sk", pk, sk} or start[pk] != partition:
        raise bad_cursor()
    if not all(isinstance(value, str) for value in start.values()) or not start[sk].startswith(prefix):
        raise bad_cursor()
    return start


def position_of(cursor: str, partition: str) -> str:
    """The sort key behind which the page of a cursor begins; InvalidInput for a cursor of another partition."""
    return decode_cursor(cursor, partition)["sk"]


def cursor_behind(key: Key, index: dict[str, str]) -> str:
    """The cursor of the page behind a row, by the row's key and the attributes that put it into the index."""
    return encode_cursor({**key._asdict(), **index})


def bad_cursor() -> InvalidInput:
    """The error for a cursor that no page of the listing has given."""
    return InvalidInput("`cursor` must be the `next_cursor` of an answer from this same listing.", param="cursor")
