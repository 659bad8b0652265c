"""Contents: what a message says, as one text or as parts of text and, from users, images."""

import re
from collections.abc import Iterator
from typing import Any

from tuneloop.domain.chat.messages import JsonObject, text_of
from tuneloop.domain.chat.rules import Found
from tuneloop.domain.chat.rules.fields import unknown_keys

MOST_IMAGES = 10  # of one example
IMAGE_URL = r"\A(?i:https?://[^\s/]\S*|data:image/(?:png|jpe?g|webp);base64,[a-z0-9+/]+={0,2})\Z"
DETAILS = ("auto", "low", "high")
KEYS = {"text": ("type", "text"), "image_url": ("type", "image_url")}


def content_problems(path: str, message: JsonObject, *, has_calls: bool) -> Iterator[Found]:
    """What is wrong with what a message says; calls of functions may stand for it."""
    content, role = message.get("content"), message.get("role")
    if content is None and has_calls:
        return
    answers = role == "assistant" and not has_calls
    if not isinstance(content, str) and (not _is_parts(content) or (not content and not answers)):
        yield f"{path}.content", "invalid_content", "`content` must be a string or a list of content parts."
    elif isinstance(content, list) and (found := list(_parts_problems(f"{path}.content", content, role))):
        yield from found
    elif answers and not text_of(message).strip():
        yield f"{path}.content", "empty_answer", "An assistant message must say something or call a tool."


def images_in(messages: list[Any]) -> int:
    """How many images the messages hold."""
    contents = (message.get("content") for message in messages if isinstance(message, dict))
    return sum(_is_image(part) for content in contents if isinstance(content, list) for part in content)


def _is_parts(content: Any) -> bool:
    return isinstance(content, list) and all(
        isinstance(part, dict) and "type" in part and isinstance(part.get("text"), str | None) for part in content
    )


def _is_image(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") == "image_url"


def _parts_problems(path: str, parts: list[Any], role: object) -> Iterator[Found]:
    for index, part in enumerate(parts):
        yield from _part_problems(f"{path}[{index}]", part, role)


def _part_problems(path: str, part: JsonObject, role: object) -> Iterator[Found]:
    match part["type"]:
        case "text":
            if part.get("text") is None:
                yield f"{path}.text", "invalid_content", "A text part must have its text as `text`."
        case "image_url" if role != "user":
            yield path, "misplaced_image", "Images may stand in user messages only."
        case "image_url":
            yield from _image_problems(f"{path}.image_url", part.get("image_url"))
        case _:
            yield f"{path}.type", "unknown_part", "The `type` of a content part must be text or image_url."
            return
    yield from unknown_keys(path, part, KEYS[part["type"]], "Such a content part")


def _image_problems(path: str, image: Any) -> Iterator[Found]:
    if not isinstance(image, dict):
        yield path, "invalid_image", "`image_url` must be an object with the image's `url`."
        return
    url = image.get("url")
    if not isinstance(url, str) or not re.search(IMAGE_URL, url):
        rule = "`url` must be an http(s) address, or data:image/png, jpeg or webp in base64."
        yield f"{path}.url", "invalid_image", rule
    if "detail" in image and image["detail"] not in DETAILS:
        yield f"{path}.detail", "invalid_image", f"`detail` must be one of {', '.join(DETAILS)}."
    yield from unknown_keys(path, image, ("url", "detail"), "`image_url`")
