"""Images: the tokens that providers count for an image, by its size and the detail that was asked for.

Examples are stored with the units of both published rules, tiles of 512 pixels and patches of 32, so that the same
figures price every base model. Each figure is a range: a remote image's size is not known here, `auto` leaves the
detail to the provider, and OpenAI's rule and its bills differ on images below 768 pixels.
"""

import binascii
import math
import struct
from base64 import b64decode
from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from pydantic import BaseModel

from tuneloop.domain.chat.messages import JsonObject

TILE = 512  # pixels of a tile's side
LARGEST_SQUARE = 2048  # pixels: a larger image is scaled down to a square of this side first
SHORTEST_SIDE = 768  # pixels: then its shorter side is scaled to this
MOST_TILES = 8  # of the largest image after both steps: 2048 by 768
PATCH = 32  # pixels of a patch's side
MOST_PATCHES = 1536  # an image of more patches is scaled down until it has this many
LOW = "low"
HIGH = "high"
# Characters of a `data:` URL that are decoded to find the size: a JPEG has it behind its metadata and thumbnail.
HEADER_CHARACTERS = 1 << 18
LARGEST_SIDE = 1 << 24  # pixels; a larger side is not an image's but a damaged header's

Size = tuple[int, int]


class ImageUnits(BaseModel, frozen=True):
    """How many images there are, and of how many tiles and patches, at least and at most."""

    images: int = 0
    tiles_least: int = 0
    tiles_most: int = 0
    patches_least: int = 0
    patches_most: int = 0

    def __add__(self, other: "ImageUnits") -> "ImageUnits":
        return ImageUnits(**{name: getattr(self, name) + getattr(other, name) for name in ImageUnits.model_fields})

    def __bool__(self) -> bool:
        return self.images > 0

    def scale(self, share: float) -> "ImageUnits":
        """The units of this share of the images, rounded up."""
        return ImageUnits(**{name: math.ceil(getattr(self, name) * share) for name in ImageUnits.model_fields})


NO_IMAGES = ImageUnits()


class TokenRange(NamedTuple):
    """A range of tokens, both ends included."""

    low: int
    high: int


class ImageRule(BaseModel):
    """A provider's published rule: tokens of each image, and of each of its tiles or patches."""

    per_image: int = 0
    per_tile: int = 0
    per_patch: Decimal = Decimal(0)
    source: str

    def tokens(self, units: ImageUnits) -> TokenRange:
        """The tokens of images, at least and at most."""
        base, images = self.per_image * units.images, units.images
        low = base + self.per_tile * units.tiles_least + self.per_patch * units.patches_least
        high = base + self.per_tile * units.tiles_most + self.per_patch * units.patches_most
        # The tokens of each image are rounded up by themselves.
        return TokenRange(math.floor(low), math.ceil(high) + (images if self.per_patch else 0))


def units_of(messages: Iterable[JsonObject]) -> ImageUnits:
    """The units of all images in messages."""
    contents = (message.get("content") for message in messages)
    parts = (part for content in contents if isinstance(content, list) for part in content if isinstance(part, dict))
    images = (part.get("image_url") for part in parts if part.get("type") == "image_url")
    return sum((_units_of_image(image) for image in images if isinstance(image, dict)), NO_IMAGES)


def _units_of_image(image: JsonObject) -> ImageUnits:
    url, detail = image.get("url"), image.get("detail")
    size = size_of(url) if isinstance(url, str) else None
    if size is None:
        tiles, patches = (1, MOST_TILES), (1, MOST_PATCHES)
    else:
        tiles, patches = _tiles(size), _patches(size)
    least, most = (0 if detail != HIGH else tiles[0]), (0 if detail == LOW else tiles[1])
    shrunk = _patches(_fit_into(size, TILE))[0] if size and detail != HIGH else patches[0]
    return ImageUnits(
        images=1,
        tiles_least=least,
        tiles_most=most,
        patches_least=min(shrunk, patches[0]),
        patches_most=patches[1],
    )


def _tiles(size: Size) -> tuple[int, int]:
    """The least and most tiles of an image at high detail: OpenAI's bills never enlarge an image, its rule does."""
    width, height = _fit_into(size, LARGEST_SQUARE)
    shrunk = min(1.0, SHORTEST_SIDE / min(width, height))
    enlarged = SHORTEST_SIDE / min(width, height)
    counts = [_squares(width * scale, height * scale, TILE) for scale in (shrunk, enlarged)]
    return min(*counts, MOST_TILES), min(max(counts), MOST_TILES)


def _patches(size: Size | tuple[float, float]) -> tuple[int, int]:
    """The least and most patches of an image; one scaled down has what the rule says, and at most MOST_PATCHES."""
    width, height = size
    if (whole := _squares(width, height, PATCH)) <= MOST_PATCHES:
        return whole, whole
    scale = math.sqrt(PATCH * PATCH * MOST_PATCHES / (width * height))
    across, down = width * scale / PATCH, height * scale / PATCH
    fit = min(math.floor(across) / across, math.floor(down) / down) if min(across, down) >= 1 else 1.0
    return min(MOST_PATCHES, _squares(width * scale * fit, height * scale * fit, PATCH)), MOST_PATCHES


def _fit_into(size: Size, side: int) -> tuple[float, float]:
    """The size of an image scaled down to fit into a square."""
    scale = min(1.0, side / max(size))
    return size[0] * scale, size[1] * scale


def _squares(width: float, height: float, side: int) -> int:
    # The subtraction takes off what floating point adds to a side that is a multiple of the square's.
    return max(1, math.ceil(width / side - 1e-9)) * max(1, math.ceil(height / side - 1e-9))


def size_of(url: str) -> Size | None:
    """Width and height in pixels of an image in a `data:` URL, by its header; None where that can't be read."""
    head, comma, data = url.partition(",")
    if not comma or head[:5].lower() != "data:" or not head.lower().endswith(";base64"):
        return None
    try:
        content = b64decode(data[: HEADER_CHARACTERS - HEADER_CHARACTERS % 4] + "==", validate=False)
    except (binascii.Error, ValueError):
        return None
    size = _png(content) or _gif(content) or _webp(content) or _jpeg(content)
    return size if size and all(0 < side <= LARGEST_SIDE for side in size) else None


def _png(content: bytes) -> Size | None:
    if not content.startswith(b"\x89PNG\r\n\x1a\n") or content[12:16] != b"IHDR" or len(content) < 24:
        return None
    width, height = struct.unpack(">II", content[16:24])
    return width, height


def _gif(content: bytes) -> Size | None:
    if not content.startswith((b"GIF87a", b"GIF89a")) or len(content) < 10:
        return None
    width, height = struct.unpack("<HH", content[6:10])
    return width, height


def _webp(content: bytes) -> Size | None:
    if content[:4] != b"RIFF" or content[8:12] != b"WEBP" or len(content) < 30:
        return None
    match content[12:16]:
        case b"VP8X":
            return 1 + int.from_bytes(content[24:27], "little"), 1 + int.from_bytes(content[27:30], "little")
        case b"VP8L" if content[20] == 0x2F:
            bits = int.from_bytes(content[21:25], "little")
            return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        case b"VP8 " if content[23:26] == b"\x9d\x01\x2a":
            width, height = struct.unpack("<HH", content[26:30])
            return width & 0x3FFF, height & 0x3FFF
    return None


def _jpeg(content: bytes) -> Size | None:
    """The size in the first frame header, found segment by segment; the markers C4, C8 and CC begin no frame."""
    if not content.startswith(b"\xff\xd8"):
        return None
    at = 2
    while at + 9 <= len(content) and content[at] == 0xFF:
        marker = content[at + 1]
        if marker == 0xFF:  # a fill byte, which may stand before any marker
            at += 1
            continue
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", content[at + 5 : at + 9])
            return width, height
        at += 2 if marker == 0x01 or 0xD0 <= marker <= 0xD8 else 2 + int.from_bytes(content[at + 2 : at + 4])
    return None
