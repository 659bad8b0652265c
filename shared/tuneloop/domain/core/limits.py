"""Every limit of ours, on one page: how big, how deep and how long things may be, as of 2026-11-21.

The limits are chosen by us, not given by AWS, and lie below what the functions were measured to take: collecting a file
that goes up to every one of them stays under 512 MB of memory. A limit that a user can run into is named by the
refusal.
"""

from datetime import timedelta

# A drop, as it lies in the bucket and as it is unpacked. The ratio counts from `RATIO_FLOOR_BYTES` unpacked on: a small
# file that repeats itself compresses better than any honest big one, and does no harm.
OBJECT_BYTES = 1 << 30
DECOMPRESSED_BYTES = 8 << 30
DECOMPRESSION_RATIO = 200
RATIO_FLOOR_BYTES = 1 << 20
# The window that a Zstandard decoder has to support (RFC 8878, 3.1.1.1.2); levels above 19 ask for more.
ZSTD_WINDOW_BYTES = 8 << 20

# A line of a drop, and how deep lists and objects may be nested in any JSON.
LINE_BYTES = 10 << 20
LINE_PARTS = 250_000  # lists and objects of one line, which take up to thirty times their size while being parsed
JSON_DEPTH = 64  # far below Python's recursion limit of 1,000, at which a parser or a walk would fail

# The texts beside an example (subject, group, source) and the names of a CSV's columns: more than an id or a name
# needs, and little beside the content that an example may have.
NAME_CHARACTERS = 500
COLUMN_CHARACTERS = 200

# A template and a policy as JSON, and how many of each a dataset's row keeps: together 240 KB of the 400 KB that a row
# of DynamoDB may have.
TEMPLATE_BYTES = 16 << 10
TEMPLATES_KEPT = 10
POLICY_BYTES = 4 << 10
POLICIES_KEPT = 20

# A call of the API. Lambda takes 6 MB of event (AWS Lambda quotas, read 2026-11), in which the body is escaped JSON.
BODY_BYTES = 4 << 20
BODY_PARTS = 100_000  # lists and objects of a body, each of which takes up to a hundred times its length in memory
EXAMPLES_PER_CALL = 500  # a call's examples are one object and one message of the queue; larger sets come as a file

# How often a message of a work queue is delivered before it is a dead letter: five tries, three minutes apart, outlast
# what fails for a while, and what still fails then needs a person.
QUEUE_TRIES = 5

# A form with a file, which comes as base64: as much as fits into Lambda's event beside the headers. Then the parts of a
# form (OpenAI's file form has a handful), the headers of a part, and a field that is no file.
FORM_BYTES = 4_400_000
FILE_BYTES = 4_300_000
FORM_PARTS = 10
PART_HEAD_BYTES = 4 << 10
FIELD_BYTES = 4 << 10

# Problems that are kept of a drop, whose row may have 400 KB; and how long a refused drop that belongs to no dataset is
# listed: as long as its object is kept (`DROPS_KEPT`).
PROBLEMS_KEPT = 100
REFUSALS_KEPT = timedelta(days=30)

# A segment, uncompressed: it is held in memory whole, to be sorted.
SEGMENT_BYTES = 32 << 20

# Compaction: a dataset is merged once it got this many segments since the last merge, as reading many small ones grows
# slow. The merged ones stay for a week, for whoever reads an earlier revision.
SEGMENTS_UNMERGED = 64
MERGED_KEPT = timedelta(days=7)

# Erasing: within the stated time nothing of an example is left but in the objects that it came in, which S3 deletes by
# itself (after as many days as `infra/state.py` says), and in the table's backups (35 days, AWS; read 2026-11).
ERASED_WITHIN = timedelta(days=7)
DROPS_KEPT = timedelta(days=30)
POSTS_KEPT = timedelta(days=14)
TABLE_RESTORABLE = timedelta(days=35)
SUBJECT_CHARACTERS = NAME_CHARACTERS

# Files of an export that are converted, or examples of which one category is picked, while their user waits: API
# Gateway hangs up after 30 seconds, so larger ones are refused (`TooLarge`) instead of being begun.
CONVERTED_BYTES = 128 << 20
CONVERTED_EXAMPLES = 200_000

# What an estimate may be asked for: more than anybody trains on or calls in a month, so that only typing errors and
# figures that no sum could hold are refused.
ESTIMATED_EXAMPLES = 100_000_000
ESTIMATED_CALLS = 10_000_000_000

# Test rows that each arm of an evaluation is asked. Every version that a run makes is evaluated on them without anybody
# asking for it, so the number bounds a bill. 5,000 show, at the first look and with 80% power, a gain of 0.9 points
# where right and wrong differ on 5% of the rows, of 2.1 where on 30% (`smallest_detectable_difference`).
EVALUATION_ROWS = 5_000

# US dollars for one run, and for a month's budget: above any real budget, so that only typing errors are refused.
RUN_USD = 1_000_000

# Uploads and downloads by presigned URL, which whoever has it may use, also after its API key was revoked
# (docs/security.md): the time bounds what a URL that got into wrong hands is good for.
UPLOAD_VALID = timedelta(minutes=15)
LINK_VALID = timedelta(minutes=15)
FILENAME_CHARACTERS = 200

# Objects whose S3 event never came: the sweep looks for those that were put within this time, which bounds what it has
# to compare with the table every five minutes.
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
