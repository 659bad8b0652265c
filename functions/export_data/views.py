"""What callers of the exports routes read."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel

from tuneloop.api.router import view
from tuneloop.domain.chat.examples import Split
from tuneloop.domain.chat.images import ImageUnits
from tuneloop.domain.core.ids import Name
from tuneloop.domain.datasets.datasets import Dataset, ExportFailure
from tuneloop.domain.datasets.policy import ExampleKind, Policy
from tuneloop.domain.exports.conversions import Conversion
from tuneloop.domain.exports.exclusions import Exclusion
from tuneloop.domain.exports.exports import Export, ExportFile
from tuneloop.domain.training.estimates import Estimate
from tuneloop.store.objects.bucket import Objects

DOWNLOADED_AS = {Split.TRAIN: "training-data", Split.VALIDATION: "validation-data", Split.TEST: "test-data"}


class FileView(BaseModel):
    """One file of an export; `url` downloads it for 15 minutes; the tokens of a converted file aren't counted.

    `images` are what providers count tokens by, of those in the file; `tokens` are without them.
    """

    examples: int
    tokens: int | None
    images: ImageUnits | None = None
    bytes: int
    sha256: str
    url: str | None = None


class ConversionView(BaseModel):
    """How files were converted: `lost` counts fields that the format has no place for, `left_out` whole examples."""

    format: str
    category: str | None
    lost: dict[str, int]
    left_out: dict[str, int]


class ExportView(BaseModel):
    """An export as its users read it.

    One that is still being frozen has no files yet; one that could not be made has an error. `overlaps` counts what
    splits share, looked for by `overlap_method`: 0 of each kind proves that nothing is trained on that is tested with.
    `left_out` counts examples that are in no file; `reasons` says of each reason which setting decides it and what to
    do, `notes` what the examples decided and not the policy, such as the least length `min_user_characters`.
    """

    id: Name
    dataset: Name
    revision: int
    status: str = "frozen"
    error: ExportFailure | None = None
    kind: ExampleKind | None = None
    files: dict[Split, FileView] = {}
    conversion: ConversionView | None = None
    policy: Policy | None = None
    examples: int | None = None
    left_out: dict[str, int] | None = None
    reasons: list[Exclusion] = []
    notes: list[str] = []
    min_user_characters: int | None = None
    erased: int | None = None
    groups: int | None = None
    in_forms: int | None = None
    overlaps: dict[str, int] | None = None
    overlap_method: str | None = None
    near_threshold: float | None = None
    advice: str | None = None
    conflicting_prompts: int | None = None
    distinct_answers: int | None = None
    created_at: datetime | None = None

    @classmethod
    def of(cls, export: Export) -> Self:
        """The view of a frozen export, without links."""
        return view(cls, export, reasons=export.reasons, notes=export.notes)

    @classmethod
    def unfrozen(cls, dataset: Dataset, export: str, revision: int) -> Self:
        """The view of an export that is being frozen, or can't be."""
        failure = dataset.export_failure
        failed = failure if failure and failure.export == export else None
        return cls(
            id=export,
            dataset=dataset.id,
            revision=revision,
            status="failed" if failed else "freezing",
            error=failed,
        )

    def add_links(self, export: Export, files: dict[Split, ExportFile], objects: Objects) -> Self:
        """Add download links to the files, which are named by their split and the export's day; return the view."""
        day = export.created_at.date().isoformat()
        for split, file in files.items():
            self.files[split].url = objects.link(file.key, f"{DOWNLOADED_AS[split]}-{day}.jsonl")
        return self

    def replace_files(
        self,
        export: Export,
        conversion: Conversion,
        category: str | None,
        files: dict[Split, ExportFile],
        objects: Objects,
    ) -> Self:
        """Show converted files, with links, in place of the export's own; return the view."""
        self.conversion = ConversionView(
            format=conversion.to, category=category, lost=dict(conversion.lost), left_out=dict(conversion.left_out)
        )
        self.files = {split: view(FileView, file, tokens=None) for split, file in files.items()}
        return self.add_links(export, files, objects)


class DatasetEstimate(BaseModel):
    """What training on a dataset would cost, by base model.

    `basis` says what it counts by: the newest `export`, of that revision; what the policy's filters take of the
    `segments`, before duplicates and conflicts; or a `count` that was asked for. `current_revision` is how far the
    dataset has come. `reasons` says what is left out and why, `notes` what there is to know of the count.
    """

    dataset: Name
    basis: str
    export: Name | None
    revision: int | None
    current_revision: int
    provider: str
    reasons: list[Exclusion] = []
    notes: list[str] = []
    estimates: list[Estimate]
