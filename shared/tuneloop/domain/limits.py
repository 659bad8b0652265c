"""Every limit of ours, on one page: how big, how deep and how long things may be, as of 2026-11-21.

They are chosen, not given by AWS, and lie below what the functions were measured to take: collecting a file that goes
up to every one of them stays under 512 MB of memory. A number that a user can run into is said by the refusal he gets.
"""

from datetime import timedelta

# A drop, as it lies in the bucket and as it is unpacked; the ratio counts from `RATIO_FLOOR_BYTES` unpacked on, since a
# small file that repeats itself is packed better than any honest big one, and does no harm.
OBJECT_BYTES = 1 << 30
DECOMPRESSED_BYTES = 8 << 30
DECOMPRESSION_RATIO = 200
RATIO_FLOOR_BYTES = 1 << 20
ZSTD_WINDOW_BYTES = (
    8 << 20
)  # what a Zstandard decoder has to support (RFC 8878, 3.1.1.1.2); levels above 19 ask for more

# A line of a drop, and JSON anywhere: lists and objects in each other.
LINE_BYTES = 10 << 20
LINE_PARTS = 250_000  # lists and objects of one line, which take up to thirty times their size while they are read
JSON_DEPTH = 64

# A call of the API. Lambda takes 6 MB of event (AWS Lambda quotas, read 2026-11), in which the body is escaped JSON.
BODY_BYTES = 4 << 20
BODY_PARTS = (
    100_000  # lists and objects of one body, each of which takes up to a hundred times the space of its letters
)
EXAMPLES_PER_CALL = 500

# What is kept of a drop that can't be used, and for how long of one that is nobody's.
PROBLEMS_KEPT = 100
REFUSALS_KEPT = timedelta(days=30)

# Segments, uncompressed.
SEGMENT_BYTES = 64 << 20

# Test rows that each arm of an evaluation is asked: every version that comes out of a run asks them without being told
# to. 5,000 show, at the first look and with 80% power, a gain of 0.9 points where right and wrong differ on 5% of the
# rows, of 2.1 where on 30% (`smallest_detectable_difference`).
EVALUATION_ROWS = 5_000

# Money for one run.
RUN_USD = 1_000_000

# Uploads and downloads by presigned URL.
UPLOAD_VALID = timedelta(minutes=15)
LINK_VALID = timedelta(minutes=15)
FILENAME_CHARACTERS = 200

# Objects that no event was heard of: the sweep looks at those that came within this time.
UNSEEN_FOR_AT_MOST = timedelta(hours=24)
