"""Validating: a run whose validation is another dataset waits for both exports, and fails where they don't fit."""

from tuneloop.domain.chat.examples import Split
from tuneloop.domain.exports.exports import Export
from tuneloop.domain.training.jobs import RunError
from tuneloop.domain.training.runs import ControlledRun
from tuneloop.store.repositories.datasets import Datasets

EMPTY = "Nothing of the validation file is left to validate with: its dataset's policy takes none of it to train."
SAME = "The validation file holds the same examples as the training file: its loss would prove nothing."
OTHER_KIND = "The validation file holds {}, the training file {}: both must be of one kind."
KINDS = {"supervised": "conversations", "preference": "preference pairs"}


def places_of(run: ControlledRun) -> list[tuple[str, str]]:
    """Dataset and export of all that a run needs, its own first."""
    own = [(run.dataset, run.export)]
    if run.validation_dataset and run.validation_export:
        return [*own, (run.validation_dataset, run.validation_export)]
    return own


def failure_of(run: ControlledRun, *, datasets: Datasets) -> RunError | None:
    """Why an export that a run needs could not be made since it was asked for."""
    for dataset, export in places_of(run):
        failure = datasets.get(run.tenant, dataset).export_failure
        if failure and failure.export == export and failure.at >= run.created_at:
            return RunError(code=failure.code, message=failure.message)
    return None


def refusal_of_validation(export: Export, validation: Export | None = None) -> RunError | None:
    """Why another dataset's export can't validate what an export trains."""
    if validation is None:
        return None
    train, other = export.files[Split.TRAIN], validation.files[Split.TRAIN]
    if not other.examples:
        return RunError(code="empty_validation_file", message=EMPTY, param="validation_file")
    if other.sha256 == train.sha256:
        return RunError(code="same_validation_file", message=SAME, param="validation_file")
    if validation.kind != export.kind:
        message = OTHER_KIND.format(KINDS[validation.kind], KINDS[export.kind])
        return RunError(code="other_kind", message=message, param="validation_file")
    return None
