"""MinHash: near duplicates, found by a few hashes that are computed once, when an example is collected.

A text is the set of its word trigrams; what has no three words is one shingle, and where words are not parted by
spaces (Chinese, Japanese, Thai) it is the set of its character trigrams. Of a long text only the trigrams count
whose first letter is one of a fixed quarter of all letters: two near duplicates choose alike, wherever the rest of them
differs, and reading costs a third. Of 64 MinHashes each run of eight is hashed into one band; two texts that share a
band stay in one split. With Jaccard similarity s that happens with probability 1 - (1 - s^8)^8: 3% at 0.5, 38% at 0.7,
77% at 0.8, 99% at 0.9, always at 1. Before one of them is left out as a duplicate, the similarity is estimated from
four bits of each MinHash, the text's signature.
"""

import re
from struct import Struct
from zlib import crc32

from rensa import RMinHash

BANDS = 8
ROWS = 8
SEED = 20261121  # stored bands and signatures compare only with those of the same seed: never change it
BAND_BYTES = 4  # two texts in four billion share a band by chance, which keeps them together and does no other harm
BAND_DIGITS = 2 * BAND_BYTES
SIGNATURE_DIGITS = BANDS * ROWS
LIKENESS_DIGITS = BANDS * BAND_DIGITS + SIGNATURE_DIGITS
THRESHOLD = round((1 - 0.5 ** (1 / BANDS)) ** (1 / ROWS), 2)  # the similarity at which half of all pairs share a band
METHOD = (
    "Equal hashes of the prompt, of the whole conversation (letter case and white space aside), of subject and group; "
    f"near duplicates share one of {BANDS} bands of {ROWS} MinHashes over the word trigrams of the prompt, "
    "or the character trigrams where no spaces part the words."
)

LONG = 600  # characters; of longer texts a sample of the trigrams is hashed, which takes a third of the time
FEWEST_SHINGLES = 10  # of a sample; where it has fewer, all trigrams are hashed, as chance would decide the likeness
MOST_SHINGLES = 4_096  # character trigrams of a text without spaces, which bounds the time that a long one takes
UNPARTED = 16  # characters a word: more than in any language that parts words by spaces
_LETTERS = "".join(re.escape(chr(code)) for code in range(ord("0"), 0x3000, 4))
_sampled = re.compile(rf" [{_LETTERS}]\S* \S+ \S+").findall

_pack = Struct(f"<{BANDS * ROWS}I").pack
_parts = Struct(f"{ROWS * 4}s" * BANDS).unpack
_bands = Struct(f">{BANDS}I").pack


def minhash_signature(text: str) -> str:
    """Bands (eight hex digits each) and signature of a text, whose words one space parts; "" if it has none."""
    if not (shingles := _shingles(text)):
        return ""
    sketch = RMinHash(num_perm=BANDS * ROWS, seed=SEED)
    sketch.update(shingles)
    packed = _pack(*sketch.digest())
    return _bands(*map(crc32, _parts(packed))).hex() + packed.hex()[1::8]


def _shingles(text: str) -> list[str]:
    """Word trigrams of a text: a sample of a long one's, or character trigrams where no spaces part the words."""
    if len(text) > LONG:
        sample: list[str] = _sampled(text)
        if len(sample) >= FEWEST_SHINGLES:
            return sample
    words = text.split()
    if not text.isascii() and len(text) > UNPARTED * len(words):
        return [text[start : start + 3] for start in range(min(len(text), MOST_SHINGLES))]
    return list(map(" ".join, zip(words, words[1:], words[2:], strict=False))) or ([" ".join(words)] if words else [])
