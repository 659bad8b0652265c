"""Estimating: what a dataset would cost to train on, with each base model, from the best there is to count by.

That is its newest export, whose split is known to the last token; before there is one, the rows of its segments; or a
number of examples that somebody thinks of.
"""

from tuneloop.domain.datasets import Dataset
from tuneloop.domain.errors import Conflict
from tuneloop.domain.estimates import COUNTED_ERROR, GUESSED_ERROR, Basis, Estimate, estimate
from tuneloop.domain.examples import Split
from tuneloop.domain.exports import Export
from tuneloop.providers.catalog import base_models, dated_name, price_of
from tuneloop.store.datasets import Datasets
from tuneloop.store.exports import Exports

BOTH = "Give both `examples` and `average_tokens`, as you think of them."


def newest_export(dataset: Dataset, *, exports: Exports) -> Export | None:
    """The export that was frozen last."""
    return next(iter(exports.page(dataset.tenant, dataset.id, 1, None).data), None)


def basis_of(export: Export) -> Basis:
    """What an export would train on."""
    train, test = export.files[Split.TRAIN], export.files[Split.TEST]
    return Basis(train.examples, train.tokens, test.examples, export.answer_tokens)


def counted(dataset: Dataset, export: Export | None, *, datasets: Datasets) -> tuple[int, int]:
    """The dataset's examples and their tokens: of its newest export's files, or of its segments as they came."""
    if export:
        files = export.files.values()
        return sum(file.examples for file in files), sum(file.tokens for file in files)
    if not dataset.revision:
        raise Conflict(f"Dataset {dataset.id} has no examples yet. {BOTH}", code="empty_dataset")
    segments = datasets.segments(dataset.tenant, dataset.id, dataset.revision)
    return sum(segment.examples for segment in segments), sum(segment.tokens for segment in segments)


def basis_of_count(
    dataset: Dataset, export: Export | None, examples: int | None, average_tokens: int | None, *, datasets: Datasets
) -> Basis:
    """What so many examples would train on, as long as said, or as the dataset's are."""
    answer = export.answer_tokens if export and average_tokens is None else None
    if examples is not None and average_tokens is not None:
        return Basis.of_count(examples, examples * average_tokens)
    known, tokens = counted(dataset, export, datasets=datasets)
    if not known:
        found = f"export {export.id}" if export else f"dataset {dataset.id}"
        raise Conflict(f"There is nothing to count by: {found} has no examples. {BOTH}", code="empty_dataset")
    wanted, average = examples or known, average_tokens or tokens / known
    error = COUNTED_ERROR if (wanted, average_tokens) == (known, None) else GUESSED_ERROR
    return Basis.of_count(wanted, round(wanted * average), answer, error)


def estimates(
    dataset: Dataset, basis: Basis, *, provider: str, epochs: int | None = None, calls: int | None = None
) -> list[Estimate]:
    """The estimate for each base model that the provider is known to train, the dataset's own first."""
    names = base_models(provider, dated_name(provider, dataset.base_model))
    return [estimate(name, price_of(provider, name), basis, epochs=epochs, calls=calls) for name in names]
