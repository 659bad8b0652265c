"""Likeness: near duplicates by MinHash, told from a few hashes that are made once, when an example is collected.

A text is the set of its word trigrams (words and pairs of very short texts). Of 80 MinHashes each run of ten is hashed
into one band; two texts that share a band are taken for near duplicates. With Jaccard similarity s that happens with
probability 1 - (1 - s^10)^8: 0.8% at 0.5, 21% at 0.7, 60% at 0.8, 96% at 0.9, always at 1.
"""

from hashlib import blake2b

from rensa import RMinHash

BANDS = 8
ROWS = 10
SEED = 20261121
SHINGLE = 3
BAND_BYTES = 5
BAND_DIGITS = 2 * BAND_BYTES


def bands_of(text: str) -> str:
    """The bands of a text, ten hex digits each; texts without a word have none."""
    words = text.casefold().split()
    if not words:
        return ""
    sketch = RMinHash(num_perm=BANDS * ROWS, seed=SEED)
    sketch.update(_shingles(words))
    hashes: list[int] = sketch.digest()
    return "".join(_band(number, hashes[number * ROWS : (number + 1) * ROWS]) for number in range(BANDS))


def _shingles(words: list[str]) -> list[str]:
    size = min(SHINGLE, len(words))
    return [" ".join(words[start : start + size]) for start in range(len(words) - size + 1)]


def _band(number: int, hashes: list[int]) -> str:
    packed = b"".join(value.to_bytes(4, "big") for value in (number, *hashes))
    return blake2b(packed, digest_size=BAND_BYTES).hexdigest()
