"""Images in stored lines, counted while lines are written: of lines without an image only their bytes are looked at."""

from collections.abc import Iterable

import orjson

from tuneloop.domain.examples import Split
from tuneloop.domain.exports import Export, ExportFile
from tuneloop.domain.images import NO_IMAGES, ImageUnits, units_of
from tuneloop.store.objects import Objects

IMAGE = b'"image_url"'  # stands in no text, where its quotes would be escaped


def images_in(contents: Iterable[bytes]) -> ImageUnits:
    """The images of examples, each as the JSON of its content."""
    return sum((_images_of(content) for content in contents if IMAGE in content), NO_IMAGES)


def counted(export: Export, objects: Objects) -> Export:
    """An export whose images are counted; an older one's are by reading its files."""
    if all(file.images is not None for file in export.files.values()):
        return export
    files = {
        split: file if file.images is not None or split == Split.VALIDATION else _counted(file, objects)
        for split, file in export.files.items()
    }
    return export.model_copy(update={"files": files})


def _counted(file: ExportFile, objects: Objects) -> ExportFile:
    return file.model_copy(update={"images": images_in(objects.lines(file.key))})


def _images_of(content: bytes) -> ImageUnits:
    found = orjson.loads(content)
    return units_of(found.get("messages") or found.get("input", {}).get("messages", ()))
