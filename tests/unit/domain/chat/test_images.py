"""Images: sizes read from headers, and tokens by the rules that providers publish."""

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.images import REMOTE, gif, jpeg, png, shown, url, webp
from tuneloop.domain.chat.images import MOST_PATCHES, MOST_TILES, NO_IMAGES, ImageUnits, TokenRange, size_of, units_of
from tuneloop.domain.training.model_offers import Offer
from tuneloop.providers.catalog import listed_models, price_of

SIDES = st.integers(1, 8000)
DETAILS = st.sampled_from(["low", "high", "auto", None])


def rule(model: str) -> Offer:
    offer = price_of("openai", model)
    assert offer
    assert offer.images
    return offer


def tokens(model: str, where: str, detail: str | None) -> TokenRange:
    images = rule(model).images
    assert images
    return images.tokens(units_of(shown(where, "?", "!", detail)["messages"]))


@pytest.mark.parametrize(
    "content",
    [
        png(1024, 700),
        gif(1024, 700),
        jpeg(1024, 700),
        jpeg(1024, 700, metadata=60_000),
        webp(1024, 700),
        webp(1024, 700, "VP8L"),
        webp(1024, 700, "VP8 "),
    ],
)
def test_the_size_of_an_image_is_read_from_its_header(content: bytes) -> None:
    assert size_of(url(content)) == (1024, 700)
    assert size_of(url(content + b"\0" * 3_000_000)) == (1024, 700)


@pytest.mark.parametrize(
    "where",
    [
        REMOTE,
        "",
        "data:image/png;base64,",
        "data:image/png;base64,AAAA",
        "data:image/png,AAAA",
        url(png(0, 700)),
        url(png(2**31, 700)),
        url(png(1024, 700)[:20]),
        url(jpeg(1024, 700)[:6]),
        url(b"\xff\xd8" + b"\xff\xe1\x00\x00" * 9),
        url(b"\xff\xd8" + b"\xff" * 300_000),
        url(b"RIFF\0\0\0\0WEBPVP9 " + b"\0" * 20),
        "data:image/png;base64,ünlesbar",
    ],
)
def test_an_image_whose_size_cannot_be_read_has_none(where: str) -> None:
    assert size_of(where) is None


@given(st.binary(max_size=200))
def test_no_content_breaks_the_reading_of_a_size(content: bytes) -> None:
    for head in (b"", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"\xff\xd8\xff", b"RIFF\0\0\0\0WEBP"):
        found = size_of(f"data:image/png;base64,{b64encode(head + content).decode()}")
        assert found is None or min(found) > 0


@pytest.mark.parametrize(
    ("model", "size", "detail", "low", "high"),
    [
        ("gpt-4o-2024-08-06", (1024, 1024), "high", 765, 765),
        ("gpt-4o-2024-08-06", (2048, 4096), "high", 1105, 1105),
        ("gpt-4o-2024-08-06", (4096, 8192), "low", 85, 85),
        ("gpt-4o-2024-08-06", (1024, 1024), None, 85, 765),
        ("gpt-4o-2024-08-06", (1024, 1024), "auto", 85, 765),
        # The rule enlarges a small image; the bills that were shown don't.
        ("gpt-4o-2024-08-06", (512, 512), "high", 255, 765),
        ("gpt-4.1-2025-04-14", (1024, 1024), "high", 765, 765),
        ("gpt-4o-mini-2024-07-18", (1024, 1024), "low", 2833, 2833),
        ("gpt-4o-mini-2024-07-18", (1024, 1024), "high", 25_501, 25_501),
        ("gpt-4.1-mini-2025-04-14", (1024, 1024), "high", 1658, 1660),
        ("gpt-4.1-mini-2025-04-14", (1800, 2400), "high", 2352, 2490),
    ],
)
def test_tokens_are_counted_by_the_published_rule(
    model: str, size: tuple[int, int], detail: str | None, low: int, high: int
) -> None:
    assert tokens(model, url(png(*size)), detail) == (low, high)


@pytest.mark.parametrize(
    ("detail", "low", "high"), [("low", 85, 85), ("high", 255, 1445), (None, 85, 1445), ("auto", 85, 1445)]
)
def test_a_remote_image_may_count_the_most_there_is(detail: str | None, low: int, high: int) -> None:
    assert tokens("gpt-4o-2024-08-06", REMOTE, detail) == (low, high)


@given(SIDES, SIDES, DETAILS)
def test_the_least_is_never_above_the_most_nor_that_of_an_unknown_size(
    width: int, height: int, detail: str | None
) -> None:
    known = units_of(shown(url(png(width, height)), "?", "!", detail)["messages"])
    unknown = units_of(shown(REMOTE, "?", "!", detail)["messages"])

    assert known.images == 1
    assert 0 <= known.tiles_least <= known.tiles_most <= unknown.tiles_most <= MOST_TILES
    assert 0 < known.patches_least <= known.patches_most <= unknown.patches_most <= MOST_PATCHES


def test_images_add_up_over_messages_and_parts() -> None:
    one = shown(url(png(1024, 1024)), "?", "!", "high")["messages"]

    assert units_of(one + one) == units_of(one) + units_of(one)
    assert units_of([{"role": "user", "content": "text"}, {"role": "assistant", "content": None}]) == NO_IMAGES
    assert not NO_IMAGES
    assert ImageUnits(images=3, tiles_most=5).scale(0.5) == ImageUnits(images=2, tiles_most=3)


def test_every_base_model_says_how_it_counts_images_or_takes_none() -> None:
    for model in listed_models("openai"):
        assert rule(model).images
    for model in listed_models("bedrock"):
        offer = price_of("bedrock", model)
        assert offer
        assert not offer.trains_images
