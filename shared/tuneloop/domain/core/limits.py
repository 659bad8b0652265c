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
# What a Zstandard decoder has to support (RFC 8878, 3.1.1.1.2); levels above 19 ask for more.
ZSTD_WINDOW_BYTES = 8 << 20

# A line of a drop, and JSON anywhere: lists and objects in each other.
LINE_BYTES = 10 << 20
LINE_PARTS = 250_000  # lists and objects of one line, which take up to thirty times their size while being parsed
JSON_DEPTH = 64  # far below Python's recursion limit of 1,000, at which a parser or a walk would fail

# What stands beside an example: subject, group, source; and the names of a CSV's columns.
NAME_CHARACTERS = 500
COLUMN_CHARACTERS = 200

# A template and a policy as JSON, and how many a dataset's row keeps of each, which may have 400 KB in all.
TEMPLATE_BYTES = 16 << 10
TEMPLATES_KEPT = 10
POLICY_BYTES = 4 << 10
POLICIES_KEPT = 20

# A call of the API. Lambda takes 6 MB of event (AWS Lambda quotas, read 2026-11), in which the body is escaped JSON.
BODY_BYTES = 4 << 20
BODY_PARTS = 100_000  # lists and objects of a body, each of which takes up to a hundred times its length in memory
EXAMPLES_PER_CALL = 500

# How often a message of a work queue is delivered before it is a dead letter: five tries, three minutes apart, outlast
# what fails for a while, and what still fails then needs a person.
QUEUE_TRIES = 5

# A form with a file, which comes as base64: as much as fits into the same event beside its headers. The headers of a
# part, and a field that is no file.
FORM_BYTES = 4_400_000
FILE_BYTES = 4_300_000
FORM_PARTS = 10
PART_HEAD_BYTES = 4 << 10
FIELD_BYTES = 4 << 10

# Problems that are kept of a drop, whose row may have 400 KB; and how long a drop is listed that belongs to nobody, as
# long as its object is kept (`DROPS_KEPT`).
PROBLEMS_KEPT = 100
REFUSALS_KEPT = timedelta(days=30)

# A segment, uncompressed: it is held in memory whole, to be sorted.
SEGMENT_BYTES = 32 << 20

# Compaction: a dataset is merged when it got this many segments since it last was; those that were merged stay for a
# while, for whoever reads an earlier revision.
SEGMENTS_UNMERGED = 64
MERGED_KEPT = timedelta(days=7)

# Erasing: within the stated time nothing of it is left but what lies where it came in (S3 deletes that by itself; so
# many days as `infra/state.py` says) and in the table's backups (35 days, AWS; read 2026-11).
ERASED_WITHIN = timedelta(days=7)
DROPS_KEPT = timedelta(days=30)
POSTS_KEPT = timedelta(days=14)
TABLE_RESTORABLE = timedelta(days=35)
SUBJECT_CHARACTERS = NAME_CHARACTERS

# Files of an export that are converted, or examples of which one category is picked, while their user waits.
CONVERTED_BYTES = 128 << 20
CONVERTED_EXAMPLES = 200_000

# What an estimate may be asked for.
ESTIMATED_EXAMPLES = 100_000_000
ESTIMATED_CALLS = 10_000_000_000

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

# Objects whose S3 event never came: the sweep looks for those that were put within this time.
UNSEEN_FOR_AT_MOST = timedelta(hours=24)

# Reviews: changes of a call, and an edited example, which lies in a row of 400 KB (DynamoDB's limit, read 2026-11).
REVIEWS_AT_ONCE = 1_000
EDIT_BYTES = 250_000
REVIEWER_CHARACTERS = 200
NOTE_CHARACTERS = 2_000
CATEGORY_CHARACTERS = 200
SEARCH_CHARACTERS = 200
REQUIRED_EXAMPLES = 1_000_000
TRUSTED_SUBJECTS = 100

# A page of examples: Lambda answers with 6 MB at most (read 2026-11), in which the body is escaped JSON.
PAGE_BYTES = 3 << 20
ANSWERED_BYTES = 5 << 20  # of a text, as JSON escapes it
