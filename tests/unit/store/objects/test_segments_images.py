"""Images in stored lines: counted where there are some, and no line is lost for what else it holds."""

import json

import pytest

from tests.images import REMOTE, shown
from tuneloop.domain.chat.images import NO_IMAGES
from tuneloop.store.objects.segments import images_in

SHOWN = shown(REMOTE, "?", "late")


@pytest.mark.parametrize(
    ("content", "images"),
    [
        (json.dumps(SHOWN), 1),
        (json.dumps(SHOWN).replace("late", "\\ud800"), 1),
        (json.dumps({"input": SHOWN, "preferred_output": []}), 1),
        (json.dumps({"messages": [{"role": "user", "content": '{"image_url": "no part"}'}]}), 0),
        (json.dumps({"messages": [{"role": "user", "content": "a", "image_url": None}]}), 0),
        (json.dumps({"messages": [{"role": "user", "content": None}]}), 0),
    ],
)
def test_images_are_counted_and_nothing_else_is(content: str, images: int) -> None:
    assert images_in([content.encode()]).images == images


def test_no_lines_hold_no_images() -> None:
    assert images_in([]) == NO_IMAGES
