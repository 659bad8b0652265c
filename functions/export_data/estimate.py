"""Estimating: what a dataset would cost to train on, with each base model, from the best there is to count by.

That is its newest export, whose split is known to the last token; before there is one, what passes the filters of its
policy, before duplicates and conflicts; or a number of examples that somebody thinks of, with images as the dataset's.
"""

from collections.abc import Collection, Iterable
from typing import NamedTuple

from tuneloop.domain.chat.examples import Split
from tuneloop.domain.chat.images import NO_IMAGES, ImageUnits
from tuneloop.domain.core.errors import Conflict, InvalidInput
from tuneloop.domain.core.redaction import safe_name
from tuneloop.domain.datasets.datasets import Dataset, Segment
from tuneloop.domain.datasets.policy import Policy
from tuneloop.domain.exports.example_counts import Statistics, exclusions_in
from tuneloop.domain.exports.exclusions import Exclusion
from tuneloop.domain.exports.exports import Export
from tuneloop.domain.training.estimates import COUNTED_ERROR, GUESSED_ERROR, Basis, Estimate, estimate
from tuneloop.providers.catalog import (
    TrainingPlace,
    base_models,
    dated_name,
    named_models,
    price_of,
    providers,
    unknown_base_model,
)
from tuneloop.store.repositories.exports import Exports

BOTH = "Give both `examples` and `average_tokens`, as you think of them."


def newest_export(dataset: Dataset, *, exports: Exports) -> Export | None:
    """The export that was frozen last."""
    return next(iter(exports.page(dataset.tenant, dataset.id, 1, None).data), None)


def basis_of(export: Export) -> Basis:
    """What an export would train on."""
    train, test = export.files[Split.TRAIN], export.files[Split.TEST]
    return Basis(
        train.examples,
        train.tokens,
        test.examples,
        export.answer_tokens,
        held=export.used - train.examples,
        images=train.images,
    )


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
    reasons = exclusions_in(found, policy)
    return Known(found.usable, found.usable_tokens, found.marked, None, reasons, found.notes)


class Shown(NamedTuple):
    """The images that so many examples show; None where they weren't counted yet when these were stored."""

    examples: int
    images: ImageUnits | None

    def of(self, examples: int) -> ImageUnits | None:
        """The images of so many examples, if these show as many as the known ones."""
        return self.images and self.images.scale(examples / self.examples if self.examples else 0.0)


def shown_in_export(export: Export) -> Shown:
    """The images of an export."""
    return Shown(export.used, _sum(file.images for file in export.files.values()))


def shown_in_segments(segments: Collection[Segment]) -> Shown:
    """The images of all that is stored."""
    stored = sum(segment.examples for segment in segments)
    return Shown(stored, _sum(segment.images for segment in segments))


def _sum(counts: Iterable[ImageUnits | None]) -> ImageUnits | None:
    """The images of several files or segments, None where they weren't counted in each."""
    known = list(counts)
    return None if None in known else sum((each for each in known if each is not None), NO_IMAGES)


def basis_of_count(
    known: Known | None, shown: Shown, policy: Policy, examples: int | None, average_tokens: int | None
) -> Basis:
    """What so many examples would train on, as long as said, or as many and as long as the dataset's are.

    They show as many images as the dataset's do: an average of tokens says nothing of these.
    """
    if examples is not None and average_tokens is not None:
        basis = Basis.of_count(examples, examples * average_tokens, policy=policy)
        return basis._replace(images=shown.of(basis.examples))
    if known is None or not known.examples:
        why = "".join(f" {each.message}" for each in known.reasons) if known else ""
        raise Conflict(f"There are no usable examples to count by.{why} {BOTH}", code="empty_dataset")
    wanted, average = examples or known.examples, average_tokens or known.tokens / known.examples
    answer = known.answer_tokens if average_tokens is None else None
    marked = known.marked if examples is None else {}
    error = COUNTED_ERROR if (wanted, average_tokens) == (known.examples, None) else GUESSED_ERROR
    basis = Basis.of_count(wanted, round(wanted * average), answer, error, policy=policy, marked=marked)
    return basis._replace(images=shown.of(basis.examples))


def places_wanted(
    dataset: Dataset, provider: str | None, base_model: str | None, *, default: str, known: Collection[str]
) -> list[TrainingPlace]:
    """The base models to price: the one that is asked for, else all that a provider lists, the dataset's own first.

    `known` are the stage's providers, beside those of the catalog. Conflict for a provider that nobody knows,
    InvalidInput for a base model that the provider doesn't have.
    """
    own = dataset.provider or default
    at, there = provider or own, sorted({*known, *providers()})
    if at not in there:
        message = f"provider: there is no provider {safe_name(at)}; there is {', '.join(there)}."
        raise Conflict(message, param="provider", code="unknown_provider")
    if base_model is not None:
        wanted = dated_name(at, base_model)
        is_own = at == own and wanted == dated_name(own, dataset.base_model)
        if not is_own and named_models(at) and price_of(at, wanted) is None:
            refusal = unknown_base_model(at, base_model, named_models(at))
            raise InvalidInput(refusal.message, param=refusal.param, code=refusal.code)
        return [TrainingPlace(at, wanted)]
    names = base_models(at, dated_name(at, dataset.base_model)) if at == own else named_models(at)
    if not names:
        message = f"base_model: name one of {at}'s; the catalog lists none of them."
        raise InvalidInput(message, param="base_model", code="missing")
    return [TrainingPlace(at, name) for name in names]


def estimates(
    basis: Basis, places: Iterable[TrainingPlace], *, n_epochs: int | None = None, calls: int | None = None
) -> list[Estimate]:
    """The estimate for each of these base models; with epochs that somebody chose, as a run of them would have."""
    chosen = {"n_epochs": n_epochs} if n_epochs else {}
    return [
        estimate(place.base_model, price_of(*place), basis, hyperparameters=chosen, calls=calls) for place in places
    ]
