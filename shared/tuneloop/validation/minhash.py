"""MinHash: near duplicates are found by a few hashes, which are computed once, when an example is collected.

A text stands for the set of its shingles. These are its word trigrams; a text of fewer than three words is one shingle;
and a text whose words aren't separated by spaces (Chinese, Japanese, Thai) has its character trigrams. Of a long text,
only trigrams count whose first letter is in a fixed quarter of all letters: near duplicates select alike, wherever they
differ, and hashing takes a third of the time.

Of 64 MinHashes, each run of eight is hashed into one band, and two texts that share a band stay in one split. At a
Jaccard similarity s that happens with probability 1 - (1 - s^8)^8: 3% at 0.5, 38% at 0.7, 77% at 0.8, 99% at 0.9,
always at 1. Before a text is left out as a duplicate, the similarity is estimated from four bits of each MinHash, the
text's signature.
"""

import re
from struct import Struct
from zlib import crc32

from rensa import RMinHash

BANDS = 8
ROWS = 8
SEED = 20261121  # never change it: stored bands and signatures can only be compared if they have the same seed
BAND_BYTES = 4  # one in four billion pairs shares a band by chance, which only keeps the two texts in one split
BAND_DIGITS = 2 * BAND_BYTES
SIGNATURE_DIGITS = BANDS * ROWS
LIKENESS_DIGITS = BANDS * BAND_DIGITS + SIGNATURE_DIGITS
THRESHOLD = round((1 - 0.5 ** (1 / BANDS)) ** (1 / ROWS), 2)  # the similarity at which half of all pairs share a band
METHOD = (
    "Equal hashes of the prompt, of the whole conversation (letter case and white space aside), of subject and group; "
    f"near duplicates share one of {BANDS} bands of {ROWS} MinHashes over the word trigrams of the prompt, "
    "or the character trigrams where no spaces part the words."
)

LONG_CHARACTERS = 600  # of longer texts only a sample of the trigrams is hashed, which takes a third of the time
LEAST_SAMPLE = 10  # with fewer, chance would decide the similarity, so all trigrams are hashed
MAX_SHINGLES = 4_096  # of character trigrams, which bounds the time that a long text takes
UNSPACED_CHARACTERS = 16  # average length of a word; no language that separates words by spaces has as long ones
_LETTERS = "".join(re.escape(chr(code)) for code in range(ord("0"), 0x3000, 4))
_sampled = re.compile(rf" [{_LETTERS}]\S* \S+ \S+").findall

_pack = Struct(f"<{BANDS * ROWS}I").pack
_parts = Struct(f"{ROWS * 4}s" * BANDS).unpack
_bands = Struct(f">{BANDS}I").pack


def minhash_signature(text: str) -> str:
    """The bands (eight hex digits each) and signature of a text with single spaces; "" for a text without words."""
    if not (shingles := _shingles(text)):
        return ""
    sketch = RMinHash(num_perm=BANDS * ROWS, seed=SEED)
    sketch.update(shingles)
    packed = _pack(*sketch.digest())
    return _bands(*map(crc32, _parts(packed))).hex() + packed.hex()[1::8]


def _shingles(text: str) -> list[str]:
    """The shingles of a text: word trigrams, a sample of them if it is long, or character trigrams without spaces."""
    if len(text) > LONG_CHARACTERS:
        sample: list[str] = _sampled(text)
        if len(sample) >= LEAST_SAMPLE:
            return sample
    words = text.split()
    if not text.isascii() and len(text) > UNSPACED_CHARACTERS * len(words):
        return [text[start : start + 3] for start in range(min(len(text), MAX_SHINGLES))]
    return list(map(" ".join, zip(words, words[1:], words[2:], strict=False))) or ([" ".join(words)] if words else [])
