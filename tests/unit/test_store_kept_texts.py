"""What rows hold of what people wrote: each such field is told in docs/security.md, and a new one has to be."""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from pydantic import BaseModel

import tuneloop.store
from tuneloop.domain import events

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "security.md"
PLACE = (tuneloop.store.__path__, "tuneloop.store.")
# What stores know and no row is: examples lie in segments, which the guide tells of as such.
NO_ROWS = {"Example", "ExampleFilter"}
# Fields that hold what users, models or operators wrote. "What is kept" names each of them.
HOLDS = {
    "Export": "most_frequent_answer prompt base_prompt",
    "Version": "prompt parameters",
    "ReviewRow": "entries reviewer",
    "_StoredReviewRow": "entries reviewer",
    "Template": "system user answer_schema",
    "Policy": "categories",
    "Dataset": "trusted_subjects",
    "Statistics": "categories sources",
    "Drop": "object",
    "RefusedDrop": "object",
    "UploadedFile": "filename",
    "ControlledRun": "metadata hyperparameters",
    "HistoryEntry": "reason by",
    "Deployment": "reason",
    "Hold": "reason by",
    "Verdict": "reason",
}
# Texts that hold nothing of the kind: ids, hashes, codes, names of models and providers, keys, and sentences of ours.
HOLDS_NOT = {
    "CsvColumns": "user assistant category created_at group quality source split subject",  # told of as `csv`
    "AnsweredCall": "id run tenant wanted",
    "ApiKey": "hash id tenant",
    "ControlledRun": "asked_base_model base_model dataset epoch_losses export fine_tuned_model id last_heard model "
    "notes provider provider_job_id provider_status reserved_month tenant uploaded validation_dataset "
    "validation_export waiting_for",
    "Dataset": "base_model id model provider salt tenant",
    "Deployment": "model salt tenant",
    "Drop": "dataset id tenant",
    "Erasure": "dataset example found id runs subject tenant",
    "Evaluation": "dataset export id model removed_by tenant waiting_for",
    "EvaluationError": "code message",
    "Export": "dataset held_out id left_out made_of overlap_method overlaps tenant",
    "ExportFailure": "code export message",
    "ExportFile": "key sha256",
    "HeldExport": "dataset export",
    "HeldOut": "key",
    "HistoryEntry": "evaluation model",
    "Lease": "owner",
    "LikeFile": "id",
    "ErasureMark": "dataset erasure example subject",
    "Model": "base_model id provider tenant",
    "MonthlySpending": "month",
    "OtherJob": "id status",
    "OutboxRow": "detail event_type pk sk",
    "Problem": "code message path",
    "RefusedDrop": "code id message",
    "RefusedVersion": "evaluation",
    "RegisteredProvider": "base_url key_parameter name training_type webhook_parameter",
    "Remaining": "advice where",
    "RunError": "code message param",
    "Segment": "key sha256",
    "Shutdowns": "models provider",
    "Statistics": "export left_out notes",
    "ReviewRow": "dataset tenant",
    "Tenant": "id",
    "TrainedExport": "id",
    "TrainedVersion": "model",
    "UploadedFile": "id purpose tenant",
    "UsageBatch": "id tenant",
    "UsageRecord": "model",
    "UsageRow": "day model",
    "Version": "base_model dataset deployment export model provider provider_model run tenant waiting_for",
    "Vote": "answer dataset examples inference tenant unit voter withdrawn",
    "_CounterRow": "pk sk",
    "_StoredReviewRow": "dataset tenant",
    "_JobRow": "run tenant",
}


def stored() -> dict[str, type[BaseModel]]:
    """The models that the stores' modules read and write, by name; events are announced, as ids and figures."""
    modules = [importlib.import_module(found.name) for found in pkgutil.walk_packages(*PLACE)]
    return {
        name: kind
        for module in modules
        for name, kind in vars(module).items()
        if inspect.isclass(kind) and issubclass(kind, BaseModel) and kind is not BaseModel
        if name not in NO_ROWS and kind.__module__ != events.__name__
    }


def texts(kind: Any, place: str, within: tuple[Any, ...] = ()) -> Iterator[str]:
    """The fields that may hold a text, as `Model.field`, of a type and all that it is made of."""
    if kind in (str, bytes, Any, object):
        yield place
    elif inspect.isclass(kind) and issubclass(kind, BaseModel):
        if kind not in within:
            for name, field in kind.model_fields.items():
                yield from texts(field.annotation, f"{kind.__name__}.{name}", (*within, kind))
    elif inspect.isclass(kind) and issubclass(kind, tuple) and hasattr(kind, "_fields"):
        for name, part in get_type_hints(kind).items():
            yield from texts(part, f"{kind.__name__}.{name}", within)
    else:
        for part in get_args(kind):
            yield from texts(part, place, within)


def listed(fields: dict[str, str]) -> set[str]:
    return {f"{model}.{field}" for model, names in fields.items() for field in names.split()}


def test_every_text_of_every_row_is_told_of_or_known_to_hold_nothing() -> None:
    found = {place for name, kind in stored().items() for place in texts(kind, name)}

    assert found - listed(HOLDS) - listed(HOLDS_NOT) == set(), (
        "say in docs/security.md what they hold, or that they don't"
    )
    assert (listed(HOLDS) | listed(HOLDS_NOT)) - found == set(), "these are gone"
    assert listed(HOLDS) & listed(HOLDS_NOT) == set()


@pytest.mark.parametrize("place", sorted(listed(HOLDS) | {"Dataset.csv"}))
def test_what_a_row_holds_of_people_s_words_stands_in_the_guide(place: str) -> None:
    kept = DOCUMENT.read_text("utf-8").partition("## What is kept")[2].partition("\n## ")[0]

    assert re.search(rf"`{place.partition('.')[2]}`", kept)
