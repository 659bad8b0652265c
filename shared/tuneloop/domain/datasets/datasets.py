"""Datasets: named, append-only collections of examples, and the segments that hold them.

Every change of a dataset raises its `revision` by one. An export names the revision that it froze, so a revision and a
policy always give one export. A change is exported only after a quiet time, so that many drops make one run.

A generation is the result of a compaction: few segments that replace all segments up to a revision. Later segments are
read beside it. The replaced segments stay readable for a while, and an export is equal before and after the merge.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationInfo, field_validator

from tuneloop.domain.chat.images import ImageUnits
from tuneloop.domain.chat.templates import Template
from tuneloop.domain.core.errors import Conflict
from tuneloop.domain.core.ids import Name
from tuneloop.domain.core.limits import POLICIES_KEPT, REQUIRED_EXAMPLES, RUN_USD, TEMPLATES_KEPT, TRUSTED_SUBJECTS
from tuneloop.domain.core.pricing import GivenUsd, Usd
from tuneloop.domain.datasets.csv_reader import CsvColumns
from tuneloop.domain.datasets.policy import DEFAULT, FIRST_RULES, LATEST_RULES, LEAST_TRAINED, Policy
from tuneloop.domain.datasets.votes import TrustPolicy

CLEARED_BY_NULL = ("policy", "csv")  # settings that null resets: to the default policy, to no CSV columns
VERSIONED_SETTINGS = {"policy", "template"}  # settings of which earlier ones are kept
# If changes are still pending so long after their announcement, it was lost or the export failed: it is repeated.
ANNOUNCED_AGAIN_AFTER = timedelta(minutes=15)


class OnDrop(StrEnum):
    """Whether the settled changes of a drop start a training run, or wait until somebody asks for one."""

    TRAIN = "train"
    COLLECT = "collect"


class OnInvalid(StrEnum):
    """Whether invalid lines make the whole drop be rejected, or are skipped."""

    REJECT = "reject"
    SKIP = "skip"


class PolicyChange(BaseModel):
    """The policy of a dataset's exports from a revision on."""

    revision: int
    policy: Policy


class RulesChange(BaseModel):
    """The version of the rules by which exports are selected and divided, from a revision on."""

    revision: int
    rules: int


class TemplateVersion(BaseModel):
    """A version of a dataset's template, and the revision from which on it is the one that exports freeze."""

    version: int
    revision: int
    template: Template


class HeldOut(BaseModel):
    """The object with the prompts held out for tests, by the last export that had a test and those before it."""

    revision: int
    key: str


class ExportFailure(BaseModel):
    """Why an export could not be made, the last time it was tried."""

    export: Name
    code: str
    message: str
    at: datetime


class Dataset(BaseModel):
    """A dataset's settings and how far each of its changes came: made, settled, wanted for training, exported.

    Its last `reviews_since` changes were reviews that nobody wants trained before something else comes. What comes into
    it is without the erasures up to number `erasures`, all that is kept of it without those up to `cleared`. Its latest
    `generation` stands for the first `merged` segments.
    """

    tenant: Name
    id: Name
    model: Name
    provider: Name | None = None
    base_model: str
    salt: str
    on_drop: OnDrop
    on_invalid: OnInvalid = OnInvalid.REJECT
    max_run_usd: Usd = Decimal(25)
    train_on_review: bool = False
    trust: TrustPolicy = TrustPolicy.REVIEW
    trusted_subjects: list[str] = []
    required_examples: int = LEAST_TRAINED
    required_per_category: int = 0
    policies: list[PolicyChange] = []
    rules: list[RulesChange] = []
    templates: list[TemplateVersion] = []
    csv: CsvColumns | None = None
    held_out: HeldOut | None = None
    export_failure: ExportFailure | None = None
    revision: int = 0
    reviews_since: int = 0
    erasures: int = 0
    cleared: int = 0
    generation: int = 0
    merged: int = 0
    examples: int = 0
    pairs: int = 0
    segments: int = 0
    changed_at: datetime | None = None
    exported_revision: int = 0
    settled_revision: int = 0
    settled_at: datetime | None = None
    wanted_revision: int = 0
    created_at: datetime
    seq: int = 0

    @property
    def is_pending(self) -> bool:
        """Whether the dataset has changes to freeze, or to train on because of `on_drop`."""
        return self.wants_run or self.exported_revision < self.revision

    @property
    def wants_run(self) -> bool:
        """Whether the dataset has changes to train on once they have settled."""
        return self.on_drop == OnDrop.TRAIN and self.wanted_revision < self.revision - self.reviews_since

    def is_due(self, now: datetime, settle_s: float) -> bool:
        """Whether pending changes are to be announced: quiet for `settle_s` seconds, and not announced lately."""
        if not self.is_pending or self.changed_at is None:
            return False
        announced = self.settled_revision == self.revision and not self.wants_run
        if announced and self.settled_at and now - self.settled_at < ANNOUNCED_AGAIN_AFTER:
            return False
        return now - self.changed_at >= timedelta(seconds=settle_s)

    def policy_at(self, revision: int) -> Policy:
        """The policy in force for exports of a revision."""
        return next((change.policy for change in reversed(self.policies) if change.revision <= revision), DEFAULT)

    def rules_at(self, revision: int) -> int:
        """The version of the rules by which a revision is frozen: the latest when the revision was made."""
        return next((change.rules for change in reversed(self.rules) if change.revision <= revision), FIRST_RULES)

    def with_settings(self, change: "DatasetChange", now: datetime) -> "Dataset":
        """The dataset with the settings that a change names; policies and templates are added, not replaced."""
        given = change.model_fields_set & (DatasetChange.model_fields.keys() - VERSIONED_SETTINGS)
        changed = self.model_copy(update={name: getattr(change, name) for name in given})
        if "policy" in change.model_fields_set:
            changed = changed.with_policy(change.policy or DEFAULT, now)
        return changed.with_template(change.template) if change.template else changed

    def with_policy(self, policy: Policy, now: datetime) -> "Dataset":
        """The dataset with another policy for its exports, as a new revision if it has examples."""
        if policy == self.policy_at(self.revision):
            return self
        changed = self.next_revision(now) if self.revision else self
        change = PolicyChange(revision=changed.revision, policy=policy)
        return changed.model_copy(update={"policies": [*self.policies, change][-POLICIES_KEPT:]})

    @property
    def template(self) -> TemplateVersion | None:
        """The template that lines are rendered through from now on."""
        return self.templates[-1] if self.templates else None

    @property
    def template_version(self) -> int | None:
        """The number of the template that lines are rendered through from now on; None where there is none."""
        return self.templates[-1].version if self.templates else None

    def templates_at(self, revision: int) -> list[Template]:
        """The templates through which the examples of a revision may have been rendered, the newest first."""
        return [version.template for version in reversed(self.templates) if version.revision <= revision]

    def template_of(self, version: int | None) -> Template | None:
        """The template of this version; None if the version is no longer kept."""
        return next((kept.template for kept in self.templates if kept.version == version), None)

    def with_template(self, template: Template) -> "Dataset":
        """The dataset with another template for the lines that come from now on; stored examples don't change."""
        latest = self.template
        if latest and latest.template.model_dump_json() == template.model_dump_json():  # the order of names counts
            return self
        number = latest.version + 1 if latest else 1
        first = self.revision + 1 if self.revision else 0  # a revision that may be frozen already stays as it was
        added = TemplateVersion(version=number, revision=first, template=template)
        return self.model_copy(update={"templates": [*self.templates, added][-TEMPLATES_KEPT:]})

    def next_revision(self, now: datetime) -> "Dataset":
        """The dataset at the next revision, with equal segments; the latest rules hold from that revision on."""
        latest, revision = max(now, self.changed_at) if self.changed_at else now, self.revision + 1
        is_new = self.rules_at(revision) < LATEST_RULES
        rules = [*self.rules, RulesChange(revision=revision, rules=LATEST_RULES)] if is_new else self.rules
        update = {"revision": revision, "changed_at": latest, "reviews_since": 0, "rules": rules}
        return self.model_copy(update=update)

    def with_review(self, now: datetime) -> "Dataset":
        """The dataset at the next revision, made by reviews, which start a run only if `train_on_review` is set."""
        since = 0 if self.train_on_review else self.reviews_since + 1
        return self.next_revision(now).model_copy(update={"reviews_since": since})

    def without_erased(self, erasures: int, is_held: bool, now: datetime) -> "Dataset":
        """The dataset without the examples of erasures up to a number; at the next revision if it held any of them.

        That revision is frozen like any other, but doesn't start a run by itself.
        """
        changed = (
            self.next_revision(now).model_copy(update={"reviews_since": self.reviews_since + 1}) if is_held else self
        )
        return changed.model_copy(update={"erasures": erasures})

    @property
    def holds_pairs(self) -> bool:
        """Whether all collected examples are preference pairs; releases that didn't count pairs leave it false."""
        return 0 < self.examples <= self.pairs

    def with_segment(self, examples: int, now: datetime, pairs: int = 0) -> "Dataset":
        """The dataset at the next revision with one more segment, `pairs` of whose examples are preference pairs."""
        more = {"segments": self.segments + 1, "examples": self.examples + examples, "pairs": self.pairs + pairs}
        return self.next_revision(now).model_copy(update=more)

    def with_announcement(self, now: datetime) -> "Dataset":
        """The dataset with its changes announced as settled."""
        return self.model_copy(update={"settled_revision": self.revision, "settled_at": now})

    def with_settled_changes(self, now: datetime) -> "Dataset":
        """The dataset after a quiet time; its changes are marked for training if `on_drop` says so."""
        wanted = self.revision if self.wants_run else self.wanted_revision
        return self.with_announcement(now).model_copy(update={"wanted_revision": wanted})


class DatasetChange(BaseModel):
    """The settings of a dataset that may be changed."""

    model_config = ConfigDict(extra="forbid")

    on_drop: OnDrop | None = None
    on_invalid: OnInvalid | None = None
    provider: Name | None = None
    base_model: str | None = Field(default=None, min_length=1, max_length=200)
    max_run_usd: GivenUsd | None = Field(default=None, ge=0, le=RUN_USD)
    train_on_review: bool | None = Field(default=None, strict=True)
    trust: TrustPolicy | None = None
    trusted_subjects: list[Annotated[str, StringConstraints(min_length=1, max_length=200)]] | None = Field(
        default=None, max_length=TRUSTED_SUBJECTS
    )
    required_examples: int | None = Field(default=None, ge=1, le=REQUIRED_EXAMPLES, strict=True)
    required_per_category: int | None = Field(default=None, ge=0, le=REQUIRED_EXAMPLES, strict=True)
    policy: Policy | None = None
    template: Template | None = None
    csv: CsvColumns | None = None

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_null(cls, value: Any, info: ValidationInfo) -> Any:
        if value is None and info.field_name not in CLEARED_BY_NULL:
            raise ValueError("it can't be null; leave it out to keep what is set, or the default")
        return value


class Segment(BaseModel):
    """One immutable object of examples; `revision` is the dataset's when it was added.

    `pairs` of its examples were preference pairs as they were collected. When it was made it was `without` what the
    erasures up to that number cover.
    Its `images` are None where it was written before they were counted; `tokens` are without them.
    """

    sha256: str
    key: str
    examples: int
    pairs: int = 0
    tokens: int
    bytes: int
    revision: int
    without: int = 0
    images: ImageUnits | None = None
    created_at: datetime


class Generation(BaseModel):
    """The segments of a compaction, which replace all segments up to a revision.

    Once a generation is `alone`, the replaced segments are deleted, and no earlier revision can be read.
    """

    number: int
    revision: int
    segments: list[Segment]
    alone: bool = False
    created_at: datetime
    seq: int = 0


def segments_at(segments: Sequence[Segment], generations: Sequence[Generation], revision: int) -> list[Segment]:
    """The segments from which a dataset is read at a revision: those of the latest generation up to it, and later ones.

    Raises Conflict if the revision was merged into a later one and its segments are deleted.
    """
    before = [generation for generation in generations if generation.revision <= revision]
    latest = max(before, key=lambda generation: generation.number, default=None)
    if latest is None and any(generation.alone for generation in generations):
        first = min(generation.revision for generation in generations)
        message = f"Revision {revision} was merged into later ones; the earliest that can be read is {first}."
        raise Conflict(message, param="revision", code="revision_gone")
    start = latest.revision if latest else 0
    later = [segment for segment in segments if start < segment.revision <= revision]
    ordered = sorted(later, key=lambda segment: segment.revision)
    return [*(latest.segments if latest else ()), *ordered]
