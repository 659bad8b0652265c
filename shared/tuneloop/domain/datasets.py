"""Datasets: named, append-only collections of examples, and the drops that feed them.

Every change of a dataset raises its `revision` by one; an export names the revision it froze, so the same revision and
policy are always the same export. Between a change and its export lies a quiet time, so that many drops make one run.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from tuneloop.domain.errors import InvalidInput
from tuneloop.domain.examples import Problem, Split
from tuneloop.domain.ids import Name, checked_name, derived_id
from tuneloop.domain.limits import RUN_USD
from tuneloop.domain.policy import DEFAULT, Policy
from tuneloop.domain.pricing import Usd

POLICIES_KEPT = 50
ANNOUNCED_AGAIN_AFTER = timedelta(minutes=15)


class OnDrop(StrEnum):
    """What a settled drop leads to: a training run, or nothing until somebody asks."""

    TRAIN = "train"
    COLLECT = "collect"


class OnInvalid(StrEnum):
    """What lines that can't be used do to their drop: the whole of it is rejected, or they are left out."""

    REJECT = "reject"
    SKIP = "skip"


class PolicyChange(BaseModel):
    """The policy of a dataset's exports from a revision on."""

    revision: int
    policy: Policy


class HeldOut(BaseModel):
    """Where the prompts are listed that the last export to have a test took for it."""

    revision: int
    key: str


class Dataset(BaseModel):
    """A dataset's settings and how far each of its changes came: made, settled, wanted for training, exported."""

    tenant: Name
    id: Name
    model: Name
    base_model: str
    salt: str
    on_drop: OnDrop
    on_invalid: OnInvalid = OnInvalid.REJECT
    max_run_usd: Usd = Decimal(25)
    policies: list[PolicyChange] = []
    held_out: HeldOut | None = None
    revision: int = 0
    examples: int = 0
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
        """Whether it has changes that are to be frozen, or that a drop wants trained."""
        wants = self.on_drop == OnDrop.TRAIN and self.wanted_revision < self.revision
        return wants or self.exported_revision < self.revision

    def is_due(self, now: datetime, settle_s: float) -> bool:
        """Whether its changes are to be announced: quiet for `settle_s` seconds, and not announced lately."""
        if not self.is_pending or self.changed_at is None:
            return False
        announced = self.settled_revision == self.revision and not (
            self.on_drop == OnDrop.TRAIN and self.wanted_revision < self.revision
        )
        if announced and self.settled_at and now - self.settled_at < ANNOUNCED_AGAIN_AFTER:
            return False
        return now - self.changed_at >= timedelta(seconds=settle_s)

    def policy_at(self, revision: int) -> Policy:
        """What an export of a revision takes."""
        return next((each.policy for each in reversed(self.policies) if each.revision <= revision), DEFAULT)

    def with_policy(self, policy: Policy, now: datetime) -> "Dataset":
        """The dataset with another policy for its exports, which is a change like any other once it has examples."""
        if policy == self.policy_at(self.revision):
            return self
        changed = self.changed(now) if self.revision else self
        change = PolicyChange(revision=changed.revision, policy=policy)
        return changed.model_copy(update={"policies": [*self.policies, change][-POLICIES_KEPT:]})

    def changed(self, now: datetime) -> "Dataset":
        """The dataset a revision later, its segments as they were."""
        latest = max(now, self.changed_at) if self.changed_at else now
        return self.model_copy(update={"revision": self.revision + 1, "changed_at": latest})

    def grown(self, examples: int, now: datetime) -> "Dataset":
        """The dataset with one segment more, and a revision more."""
        more = {"segments": self.segments + 1, "examples": self.examples + examples}
        return self.changed(now).model_copy(update=more)

    def announced(self, now: datetime) -> "Dataset":
        """The dataset with its changes announced as settled."""
        return self.model_copy(update={"settled_revision": self.revision, "settled_at": now})

    def settled(self, now: datetime) -> "Dataset":
        """The same after a quiet time, which makes the changes wanted for training if that is what a drop leads to."""
        wanted = self.revision if self.on_drop == OnDrop.TRAIN else self.wanted_revision
        return self.announced(now).model_copy(update={"wanted_revision": wanted})


class DatasetChange(BaseModel):
    """The settings of a dataset that may be changed."""

    model_config = ConfigDict(extra="forbid")

    on_drop: OnDrop | None = None
    on_invalid: OnInvalid | None = None
    base_model: str | None = Field(default=None, min_length=1, max_length=200)
    max_run_usd: Usd | None = Field(default=None, ge=0, le=RUN_USD)
    policy: Policy | None = None


class Segment(BaseModel):
    """One immutable object of examples; `revision` is the dataset's when it was added."""

    sha256: str
    key: str
    examples: int
    tokens: int
    bytes: int
    revision: int
    created_at: datetime


class DropStatus(StrEnum):
    """Where a drop stands."""

    READING = "reading"
    COLLECTED = "collected"
    REJECTED = "rejected"
    FAILED = "failed"


class Drop(BaseModel):
    """One file or collection of examples on its way into a dataset; `problems` holds the first 100."""

    id: Name
    tenant: Name
    dataset: Name
    object: str
    status: DropStatus = DropStatus.READING
    lines: int = 0
    examples: int = 0
    problem_count: int = 0
    problems: list[Problem] = []
    created_at: datetime
    finished_at: datetime | None = None
    seq: int = 0

    @property
    def place(self) -> tuple[str, str]:
        """Its tenant and dataset."""
        return self.tenant, self.dataset


class RefusedDrop(BaseModel):
    """A file that lies where no drop can be told whose it is; nothing of it was read."""

    id: Name
    object: str
    code: str
    message: str
    created_at: datetime


def drop_id(key: str, content: str) -> str:
    """The id of an object as a drop, by its key and what tells its content: its version or its ETag."""
    return derived_id("drop", key, content)


class DropPath(BaseModel):
    """What an object's path says: whose it is, which dataset, and the split its folder names."""

    tenant: Name
    dataset: Name
    split: Split | None = None


def parse_drop_path(key: str) -> DropPath:
    """Read `incoming/{tenant}/{dataset}/[train|validation|test/]{file}`, or say what the path should be.

    What follows is the file's own business: any text, and any folders.
    """
    parts = key.split("/")
    if len(parts) < 4 or parts[0] != "incoming" or not parts[-1]:
        raise InvalidInput("A drop lies at incoming/{tenant}/{dataset}/{file}.jsonl.", param="key", code="invalid_path")
    folder = parts[3] if len(parts) > 4 else None
    split = Split(folder) if folder in set(Split) else None
    return DropPath(tenant=checked_name(parts[1], "tenant"), dataset=checked_name(parts[2], "dataset"), split=split)
