"""Cursors: each leads on where its page ended, and into no other listing."""

import base64
import json
from typing import Any

import pytest

from tuneloop.domain.core.errors import InvalidInput
from tuneloop.store.cursors import cursor_behind, decode_cursor, encode_cursor, position_of
from tuneloop.store.keys import Key

ROW = Key("acme", "run#7")


def packed(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


def test_a_cursor_is_the_start_key_that_it_was_made_of() -> None:
    cursor = cursor_behind(ROW, {})

    assert decode_cursor(cursor, "acme", prefix="run#") == {"pk": "acme", "sk": "run#7"}
    assert position_of(cursor, "acme") == "run#7"
    assert encode_cursor(ROW._asdict()) == cursor


@pytest.mark.parametrize(
    "cursor",
    [
        cursor_behind(Key("initech", "run#7"), {}),
        cursor_behind(Key("acme", "drop#7"), {}),
        cursor_behind(ROW, {"list_pk": "acme", "list_sk": "7"}),
        packed({"pk": "acme"}),
        packed({"pk": "acme", "sk": 7}),
        packed(["acme", "run#7"]),
        packed(None),
        base64.urlsafe_b64encode(b"[" * 100_000).decode(),
        "no cursor",
        "",
    ],
    ids=["tenant", "prefix", "index", "no sort key", "number", "list", "null", "deep", "text", "empty"],
)
def test_what_no_page_of_this_listing_gave_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        decode_cursor(cursor, "acme", prefix="run#")

    assert refusal.value.param == "cursor"
