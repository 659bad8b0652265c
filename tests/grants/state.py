"""The state that scenes begin in, made by the functions' own use cases in the hands of the administrator, long ago."""

import json
from datetime import datetime, timedelta
from typing import Any

from collect_examples.datasets import EnsureDataset
from collect_examples.ingest import IngestDrop
from collect_examples.views import NewDataset
from evaluate.request import RequestEvaluation
from export_data.freeze import FreezeDataset
from infra.stage import LOCAL
from launch_finetune.request import RunAttempts, RunRequest
from tests.examples import chat
from tests.grants.stage import Stage
from tuneloop.app import utc_now
from tuneloop.domain.datasets.datasets import Dataset
from tuneloop.domain.datasets.drops import Drop
from tuneloop.domain.evaluation.evaluations import FEWEST_ROWS, Evaluation, Intent
from tuneloop.domain.events import DatasetSettled
from tuneloop.domain.exports.exports import Export
from tuneloop.domain.serving.models import Version, new_model
from tuneloop.domain.training.runs import ControlledRun
from tuneloop.store.objects.export_columns import Membership
from tuneloop.store.repositories.fingerprint_backfill import FingerprintBackfill
from tuneloop.store.repositories.trained_exports import TrainedExports

NAME = "support"
SPLITS = {"train": 12, "validation": 2, "test": FEWEST_ROWS}  # fewer test rows would be asked of nobody


def long_ago() -> datetime:
    """A time before every patience has run out."""
    return utc_now() - timedelta(hours=1)


def lines() -> list[bytes]:
    """Examples with two answers, enough to train on, each marked for its split and of a subject of its own."""
    rows = [
        chat(
            f"Where is parcel {split} {number}?",
            ("late", "lost")[number % 2],
            split=split,
            subject=f"{split}-{number}",
        )
        for split, many in SPLITS.items()
        for number in range(many)
    ]
    return [json.dumps(row).encode() for row in rows]


def empty_dataset(stage: Stage) -> Dataset:
    """A dataset and the model of its name."""
    ensure_dataset = EnsureDataset(stage.datasets, stage.models, LOCAL.provider, LOCAL.base_model)
    return ensure_dataset.ensure(stage.tenant, NewDataset(id=NAME), long_ago())


def dataset(stage: Stage) -> Dataset:
    """A dataset of one segment, which waits to be settled."""
    empty_dataset(stage)
    drop = Drop(id="drop-1", tenant=stage.tenant, dataset=NAME, object="api", created_at=long_ago())
    IngestDrop(stage.datasets, stage.objects, stage.erasures, long_ago).ingest(drop, lines())
    return stage.datasets.get(stage.tenant, NAME)


def wanted(stage: Stage) -> Dataset:
    """A dataset that has settled and is to be trained on."""
    stage.datasets.save(dataset(stage).with_settled_changes(long_ago()))
    return stage.datasets.get(stage.tenant, NAME)


def announced(stage: Stage) -> None:
    """A dataset whose event waits in the outbox."""
    found = dataset(stage)
    event = DatasetSettled(tenant=stage.tenant, dataset=NAME, revision=found.revision)
    stage.datasets.save(found, event=event, now=long_ago())


def export(stage: Stage) -> Export:
    """The dataset's first revision, frozen."""
    dataset(stage)
    backfill = FingerprintBackfill(stage.contents, Membership(stage.objects), stage.objects)
    trained = TrainedExports(stage.table, stage.exports, stage.models, backfill, stage.objects)
    use_case = FreezeDataset(stage.datasets, stage.contents, stage.exports, stage.objects, trained)
    return use_case.freeze(stage.tenant, NAME, 1, long_ago())


def run(stage: Stage, **changes: Any) -> ControlledRun:
    """A run on the frozen dataset, asked for and not begun, but for the changes."""
    export(stage)
    found = stage.datasets.get(stage.tenant, NAME)
    asked = RunAttempts(stage.runs, long_ago()).request(found, LOCAL.provider, RunRequest(again=False))
    return stage.runs.save(asked.model_copy(update=changes)) if changes else asked


def version(stage: Stage) -> Version:
    """Version 1 of the dataset's model: what the loop has trained, proved on the dataset's export."""
    frozen = export(stage)
    model = stage.models.get(stage.tenant, NAME)
    base = stage.models.version(stage.tenant, NAME, 0)
    tuned = {"number": 1, "seq": 0, "is_finetuned": True, "provider_model": stage.trained["fine_tuned_model"]}
    made = base.model_copy(update={**tuned, "dataset": NAME, "export": frozen.id})
    stage.models.add_version(model, made, long_ago())
    return made


def model(stage: Stage) -> None:
    """A model without a dataset."""
    stage.models.register(new_model(stage.tenant, NAME, LOCAL.provider, LOCAL.base_model, long_ago()))


def evaluation(stage: Stage) -> Evaluation:
    """Version 1 against the base model, asked for and not begun."""
    made = version(stage)
    frozen = stage.exports.get(stage.tenant, NAME, str(made.export))
    use_case = RequestEvaluation(stage.evaluations, stage.models)
    return use_case.request(made, 0, frozen, intent=Intent.PROMOTE, now=long_ago())
