"""Images in stored lines, counted while lines are written: of lines without an image only their bytes are looked at."""

import json
from collections.abc import Iterable

from tuneloop.domain.chat.images import NO_IMAGES, ImageUnits, units_of

IMAGE = b'"image_url"'  # stands in no text, where its quotes would be escaped


def images_in(contents: Iterable[bytes]) -> ImageUnits:
    """How many images some examples hold, and their units; each example is the JSON of its content."""
    return sum((_images_of(content) for content in contents if IMAGE in content), NO_IMAGES)


def _images_of(content: bytes) -> ImageUnits:
    """The images of one example, a conversation or a preference pair."""
    example = json.loads(content)  # which takes half a surrogate pair in an answer too, as orjson does not
    return units_of(example.get("messages") or example.get("input", {}).get("messages", ()))
