"""Estimating: what a dataset would cost to train on, with each base model, from the best there is to count by.

That is its newest export, whose split is known to the last token; before there is one, what passes the filters of its
policy, before duplicates and conflicts; or a number of examples that somebody thinks of.
"""

from typing import NamedTuple

from tuneloop.domain.counts import Statistics, exclusions_in
from tuneloop.domain.datasets import Dataset
from tuneloop.domain.errors import Conflict
from tuneloop.domain.estimates import COUNTED_ERROR, GUESSED_ERROR, Basis, Estimate, estimate
from tuneloop.domain.examples import Split
from tuneloop.domain.exclusions import Exclusion
from tuneloop.domain.exports import Export
from tuneloop.domain.policy import Policy
from tuneloop.providers.catalog import base_models, dated_name, price_of
from tuneloop.store.exports import Exports

BOTH = "Give both `examples` and `average_tokens`, as you think of them."


def newest_export(dataset: Dataset, *, exports: Exports) -> Export | None:
    """The export that was frozen last."""
    return next(iter(exports.page(dataset.tenant, dataset.id, 1, None).data), None)


def basis_of(export: Export) -> Basis:
    """What an export would train on."""
    train, test = export.files[Split.TRAIN], export.files[Split.TEST]
    return Basis(train.examples, train.tokens, test.examples, export.answer_tokens, held=export.used - train.examples)


class Known(NamedTuple):
    """What a dataset has that is trained, validated or tested with, and why not more of it.

    Examples, their tokens, those that users marked by split, the tokens of an answer if known; reasons and notes.
    """

    examples: int
    tokens: int
    marked: dict[Split, int]
    answer_tokens: float | None
    reasons: list[Exclusion]
    notes: list[str]


def known_of_export(export: Export) -> Known:
    """What an export took."""
    tokens = sum(file.tokens for file in export.files.values())
    return Known(export.used, tokens, export.marked, export.answer_tokens, export.reasons, export.notes)


def known_of_statistics(found: Statistics, policy: Policy) -> Known:
    """What the filters of a dataset's policy take, before duplicates and conflicts."""
    return Known(found.usable, found.usable_tokens, found.marked, None, exclusions_in(found, policy), found.notes)


def basis_of_count(known: Known | None, policy: Policy, examples: int | None, average_tokens: int | None) -> Basis:
    """What so many examples would train on, as long as said, or as many and as long as the dataset's are."""
    if examples is not None and average_tokens is not None:
        return Basis.of_count(examples, examples * average_tokens, policy=policy)
    if known is None or not known.examples:
        why = "".join(f" {each.message}" for each in known.reasons) if known else ""
        raise Conflict(f"There are no usable examples to count by.{why} {BOTH}", code="empty_dataset")
    wanted, average = examples or known.examples, average_tokens or known.tokens / known.examples
    answer = known.answer_tokens if average_tokens is None else None
    marked = known.marked if examples is None else {}
    error = COUNTED_ERROR if (wanted, average_tokens) == (known.examples, None) else GUESSED_ERROR
    return Basis.of_count(wanted, round(wanted * average), answer, error, policy=policy, marked=marked)


def estimates(
    dataset: Dataset, basis: Basis, *, provider: str, epochs: int | None = None, calls: int | None = None
) -> list[Estimate]:
    """The estimate for each base model that the provider is known to train, the dataset's own first."""
    names = base_models(provider, dated_name(provider, dataset.base_model))
    return [estimate(name, price_of(provider, name), basis, epochs=epochs, calls=calls) for name in names]
