"""Converting: the files of an export in another format, or of one category, made while somebody waits for them.

They are made anew each time and belong to nobody: an erasure that tidies up after itself takes them with it. What would
take longer than an answer may is refused, with a way that always works.
"""

from collections.abc import Iterable, Iterator
from itertools import chain

import orjson

from export_data.files import SplitFiles
from tuneloop.domain.chat.examples import Split
from tuneloop.domain.core.errors import NotFound, TooLarge
from tuneloop.domain.core.ids import digest
from tuneloop.domain.core.limits import CONVERTED_BYTES, CONVERTED_EXAMPLES
from tuneloop.domain.datasets.reviews import UNDECIDED
from tuneloop.domain.exports.columns import SPLIT_OF
from tuneloop.domain.exports.conversions import OWN_FORMAT, Conversion, check_kind
from tuneloop.domain.exports.exports import Export, ExportFile
from tuneloop.store.objects.bucket import Objects
from tuneloop.store.objects.export_members import ID_BYTES, Membership
from tuneloop.store.objects.stored_lines import content_of, heads_of, pair_line
from tuneloop.store.repositories.contents import Contents

Rows = Iterable[tuple[Split, bytes]]


def convert(
    export: Export,
    conversion: Conversion,
    category: str | None,
    *,
    contents: Contents,
    membership: Membership,
    objects: Objects,
) -> dict[Split, ExportFile]:
    """Write the files of an export in the conversion's format, those of one category if one is given."""
    check_kind(export.kind, conversion.to)
    _check_size(export, category)
    rows = _frozen(export, objects) if category is None else _some(_of(category, export, contents, membership))
    if conversion.to != OWN_FORMAT[export.kind]:
        rows = _converted(rows, conversion)
    place = "all" if category is None else digest(category)[:16]
    files = SplitFiles(f"{export.folder}/files/{conversion.to}/{place}", objects)
    for split, content in rows:
        files.write(split, [content], 0)
    return files.end()


def _check_size(export: Export, category: str | None) -> None:
    size = sum(file.bytes for file in export.files.values())
    if category is None and size > CONVERTED_BYTES:
        raise TooLarge(
            f"Up to {CONVERTED_BYTES >> 20} MiB are converted while you wait; these files have {size >> 20}. "
            "Download them as they are, and run `tuneloop convert FILE --to FORMAT`.",
            param="format",
            code="too_large_to_convert",
        )
    if category is not None and export.examples > CONVERTED_EXAMPLES:
        raise TooLarge(
            f"Of up to {CONVERTED_EXAMPLES:,} examples one category is picked while you wait; this export is of "
            f"{export.examples:,}. Set the policy's `categories` and freeze an export of that category alone.",
            param="category",
            code="too_large_to_convert",
        )


def _frozen(export: Export, objects: Objects) -> Iterator[tuple[Split, bytes]]:
    for split, file in export.files.items():
        for line in objects.lines(file.key):
            yield split, line


def _of(category: str, export: Export, contents: Contents, membership: Membership) -> Iterator[tuple[Split, bytes]]:
    splits = {member.id: SPLIT_OF[member.outcome] for member in membership.all(export) if member.outcome in SPLIT_OF}
    with contents.blocks(export.tenant, export.dataset, export.revision) as blocks:
        for block in blocks:
            for place, head in enumerate(heads_of(block.lines)):
                split = splits.get(bytes.fromhex(head.id[: 2 * ID_BYTES]))
                decided = block.decisions.get(place, UNDECIDED).category
                if split and (decided or head.category) == category:
                    content = content_of(block.lines[place])
                    yield split, pair_line(content) if head.preference else content


def _some(rows: Iterator[tuple[Split, bytes]]) -> Rows:
    """The rows, of which there must be one at least: three empty files would tell nobody of a slip of the pen."""
    if (first := next(rows, None)) is None:
        raise NotFound("No example of this export has that category.", param="category")
    return chain([first], rows)


def _converted(rows: Rows, conversion: Conversion) -> Iterator[tuple[Split, bytes]]:
    for split, content in rows:
        if converted := conversion.convert(orjson.loads(content)):
            yield split, orjson.dumps(converted)
