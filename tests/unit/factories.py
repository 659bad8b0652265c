"""One factory per noun: a plain, valid thing in which a test changes only what it is about."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from tests.examples import chat
from tuneloop.domain.chat.examples import Example, Split, read_example
from tuneloop.domain.core.ids import digest
from tuneloop.domain.datasets.datasets import Dataset, OnDrop, Segment
from tuneloop.domain.datasets.drops import Drop
from tuneloop.domain.evaluation.evaluations import Evaluation, ScoredAnswer
from tuneloop.domain.exports.exports import Export, ExportFile
from tuneloop.domain.serving.models import Deployment, Version
from tuneloop.domain.serving.usage import UsageBatch, UsageRecord
from tuneloop.domain.training.jobs import ProviderJob
from tuneloop.domain.training.runs import ControlledRun

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)

FIRST = "abcdefghijklmnopqrstuvwxyz0123456789"
NAMES = st.builds(str.__add__, st.sampled_from(FIRST), st.text(FIRST + "-", max_size=62))
NUMBERS = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def an_example(user: str = "Where is my parcel?", answer: str = "delivery", **more: Any) -> Example:
    """A training example."""
    example = read_example(chat(user, answer, **more), 1)
    assert isinstance(example, Example), example
    return example


def a_dataset(**changes: Any) -> Dataset:
    """A dataset of acme's that nothing happened to yet."""
    plain = Dataset(
        tenant="acme",
        id="support",
        model="support",
        base_model="base-1",
        salt="s",
        on_drop=OnDrop.TRAIN,
        created_at=NOW,
    )
    return plain.model_copy(update=changes)


def a_segment(content: str = "one", **changes: Any) -> Segment:
    """A segment of ten examples."""
    sha256 = digest(content)
    plain = Segment(sha256=sha256, key=f"s/{sha256}", examples=10, tokens=90, bytes=500, revision=0, created_at=NOW)
    return plain.model_copy(update=changes)


def a_drop(**changes: Any) -> Drop:
    """A drop that is being read."""
    plain = Drop(id="drop-1", tenant="acme", dataset="support", object="incoming/acme/support/a.jsonl", created_at=NOW)
    return plain.model_copy(update=changes)


def an_export(**changes: Any) -> Export:
    """An export of revision 1."""
    files = {split: ExportFile(key=f"e/{split}.jsonl", examples=30, tokens=1, bytes=1, sha256="0") for split in Split}
    plain = Export(
        tenant="acme",
        id="export-1",
        dataset="support",
        revision=1,
        files=files,
        examples=90,
        conflicting_prompts=0,
        distinct_answers=1,
        most_frequent_answer="delivery",
        created_at=NOW,
    )
    return plain.model_copy(update=changes)


def a_run(**changes: Any) -> ControlledRun:
    """A run that is requested and nothing more."""
    plain = ControlledRun(
        tenant="acme",
        id="run-1",
        provider="trainer",
        model="support",
        base_model="base-1",
        dataset="support",
        export="export-1",
        revision=1,
        created_at=NOW,
    )
    return plain.model_copy(update=changes)


def a_job(status: str, **changes: Any) -> ProviderJob:
    """What a provider says about a job."""
    return ProviderJob(id="job-1", status=status, **changes)


def a_version(number: int = 1, **changes: Any) -> Version:
    """A fine-tuned version of acme's support model."""
    plain = Version(
        tenant="acme",
        model="support",
        number=number,
        provider="trainer",
        provider_model=f"ft-{number}",
        base_model="base-1",
        is_finetuned=True,
        dataset="support",
        export="export-1",
        run="run-1",
        created_at=NOW,
    )
    return plain.model_copy(update=changes)


def a_deployment(**changes: Any) -> Deployment:
    """A deployment on which the base model is stable."""
    return Deployment(tenant="acme", model="support", changed_at=NOW).model_copy(update=changes)


def an_evaluation(**changes: Any) -> Evaluation:
    """Version 2 against version 1, asked for and not begun."""
    plain = Evaluation(
        tenant="acme",
        id="eval-1",
        model="support",
        candidate=2,
        stable=1,
        dataset="support",
        export="export-1",
        created_at=NOW,
    )
    return plain.model_copy(update=changes)


def scores(*, right: int, wrong: int) -> list[ScoredAnswer]:
    """Answers to rows in order, the right ones first."""
    return [ScoredAnswer(row=row, right=row < right) for row in range(right + wrong)]


def a_record(**changes: Any) -> UsageRecord:
    """The usage of one call to version 1."""
    plain = UsageRecord(
        model="support",
        version=1,
        prompt_tokens=20,
        completion_tokens=2,
        cost_usd=Decimal("0.0000112"),
        at=NOW,
    )
    return plain.model_copy(update=changes)


def a_batch(identity: str = "batch-1", *records: UsageRecord, tenant: str = "acme") -> UsageBatch:
    """A batch of usage records, one if none are given."""
    return UsageBatch(id=identity, tenant=tenant, records=list(records) or [a_record()])
