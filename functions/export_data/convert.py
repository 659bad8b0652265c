"""Conversion of an export's files into another format, or of one category's examples, while somebody waits.

Converted files are made anew for each call, and no row refers to them: an erasure purges them with the other objects.
A conversion that would take longer than a route may is refused, and the refusal names a way that always works.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

import orjson

from export_data.write_export import SplitFiles
from tuneloop.domain.chat.examples import Split
from tuneloop.domain.core.errors import NotFound, TooLarge
from tuneloop.domain.core.ids import digest
from tuneloop.domain.core.limits import CONVERTED_BYTES, CONVERTED_EXAMPLES
from tuneloop.domain.datasets.reviews import UNDECIDED
from tuneloop.domain.exports.columns import SPLIT_OF
from tuneloop.domain.exports.conversions import OWN_FORMAT, Conversion, check_kind
from tuneloop.domain.exports.exports import Export, ExportFile
from tuneloop.store.objects.bucket import Objects
from tuneloop.store.objects.export_columns import ID_BYTES, Membership
from tuneloop.store.objects.segments import content_of, heads_of, pair_line
from tuneloop.store.repositories.contents import Contents

# Hex digits of a category's hash in the key of its files: 64 bits, since a category is any text and a key is not.
CATEGORY_DIGITS = 16
Rows = Iterable[tuple[Split, bytes]]


@dataclass(frozen=True)
class ConvertExport:
    """Writes the files of exports in other formats."""

    contents: Contents
    membership: Membership
    objects: Objects

    def convert(self, export: Export, conversion: Conversion, category: str | None) -> dict[Split, ExportFile]:
        """Write an export's files in the conversion's format, with the examples of one category if one is given.

        TooLarge where that would take too long, Conflict for a format for another kind of examples, NotFound for a
        category without examples.
        """
        check_kind(export.kind, conversion.to)
        _check_size(export, category)
        rows: Rows = self._frozen_lines(export)
        if category is not None:
            rows = _require_rows(self._lines_of(category, export))
        if conversion.to != OWN_FORMAT[export.kind]:
            rows = _convert_lines(rows, conversion)
        folder = "all" if category is None else digest(category)[:CATEGORY_DIGITS]
        files = SplitFiles(f"{export.folder}/files/{conversion.to}/{folder}", self.objects)
        for split, content in rows:
            files.write(split, [content], 0)
        return files.end()

    def _frozen_lines(self, export: Export) -> Iterator[tuple[Split, bytes]]:
        for split, file in export.files.items():
            for line in self.objects.lines(file.key):
                yield split, line

    def _lines_of(self, category: str, export: Export) -> Iterator[tuple[Split, bytes]]:
        """The lines of one category, from the dataset's contents: the export's files don't hold categories."""
        members = self.membership.all(export)
        splits = {member.id: SPLIT_OF[member.outcome] for member in members if member.outcome in SPLIT_OF}
        with self.contents.blocks(export.tenant, export.dataset, export.revision) as blocks:
            for block in blocks:
                for place, head in enumerate(heads_of(block.lines)):
                    split = splits.get(bytes.fromhex(head.id[: 2 * ID_BYTES]))
                    decided = block.decisions.get(place, UNDECIDED).category
                    if split and (decided or head.category) == category:
                        content = content_of(block.lines[place])
                        yield split, pair_line(content) if head.preference else content


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


def _require_rows(rows: Iterator[tuple[Split, bytes]]) -> Rows:
    """The rows; NotFound where there are none: three empty files would hide that the category is misspelt."""
    if (first := next(rows, None)) is None:
        raise NotFound("No example of this export has that category.", param="category")
    return chain([first], rows)


def _convert_lines(rows: Rows, conversion: Conversion) -> Iterator[tuple[Split, bytes]]:
    for split, content in rows:
        if converted := conversion.convert(orjson.loads(content)):
            yield split, orjson.dumps(converted)
