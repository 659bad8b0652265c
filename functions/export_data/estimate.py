"""Estimates what training on a dataset would cost with each base model, from the best count of examples there is.

The best count is the newest export, whose splits are known to the last token; before there is one, the examples that
pass the policy's filters, duplicates and conflicts included. A number of examples that the caller names comes before
both; such examples are assumed to have as many images each as the dataset's.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from export_data.views import DatasetEstimate
from tuneloop.domain.chat.examples import Split
from tuneloop.domain.chat.images import NO_IMAGES, ImageUnits
from tuneloop.domain.core.errors import Conflict, InvalidInput
from tuneloop.domain.core.redaction import safe_name
from tuneloop.domain.datasets.datasets import Dataset
from tuneloop.domain.datasets.policy import Policy
from tuneloop.domain.exports.example_counts import exclusions_in
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
from tuneloop.store.repositories.datasets import Datasets
from tuneloop.store.repositories.exports import Exports
from tuneloop.store.repositories.statistics import ExampleCounts

NAME_BOTH = "Give both `examples` and `average_tokens`, as you think of them."


class EstimateRequest(NamedTuple):
    """A caller's request for an estimate; None stands for the dataset's own value.

    `examples` of `average_tokens` each instead of the dataset's, `n_epochs` instead of the provider's choice, `calls`
    a month to the version, and at which `provider` on which `base_model`.
    """

    examples: int | None = None
    average_tokens: int | None = None
    n_epochs: int | None = None
    calls: int | None = None
    provider: str | None = None
    base_model: str | None = None

    @property
    def is_count(self) -> bool:
        """Whether the caller names how many examples, or how long they are."""
        return self.examples is not None or self.average_tokens is not None


class Usable(NamedTuple):
    """The examples of a dataset that are trained, validated or tested with.

    `marked` counts those that users marked for a split, `answer_tokens` is the average of an answer if known; `reasons`
    and `notes` say why the others are left out.
    """

    examples: int
    tokens: int
    marked: dict[Split, int]
    answer_tokens: float | None
    reasons: list[Exclusion]
    notes: list[str]


class CountedImages(NamedTuple):
    """The images in a number of examples; None where the examples were stored before images were counted."""

    examples: int
    images: ImageUnits | None

    def scale(self, examples: int) -> ImageUnits | None:
        """The images in another number of examples that have as many each."""
        return self.images and self.images.scale(examples / self.examples if self.examples else 0.0)


@dataclass(frozen=True)
class EstimateTraining:
    """Estimates what training on datasets costs; `provider_names` and `default_provider` are the stage's."""

    datasets: Datasets
    exports: Exports
    example_counts: ExampleCounts
    provider_names: Callable[[], Collection[str]]
    default_provider: str
    require_time: Callable[[], None]

    def estimate(self, tenant: str, name: str, request: EstimateRequest) -> DatasetEstimate:
        """What training on a dataset would cost, take and prove, by base model.

        Conflict for a dataset without usable examples or an unknown provider, InvalidInput for a base model that the
        provider doesn't have.
        """
        dataset = self.datasets.get(tenant, name)
        places = places_to_price(dataset, request, default=self.default_provider, known=self.provider_names())
        policy = dataset.policy_at(dataset.revision)
        export = next(iter(self.exports.page(tenant, name, 1, None).data), None)  # the newest
        usable = self._usable(dataset, export, policy, request)
        is_by_export = export is not None and not request.is_count
        if export and is_by_export:
            basis = basis_of_export(export)
        else:
            basis = basis_of_count(usable, self._images(dataset, export), policy, request)
        return DatasetEstimate(
            dataset=name,
            basis="count" if request.is_count else "export" if export else "segments",
            export=export.id if export and is_by_export else None,
            revision=None if request.is_count else export.revision if export else dataset.revision,
            current_revision=dataset.revision,
            reasons=usable.reasons if usable else [],
            notes=usable.notes if usable else [],
            provider=places[0].provider,
            estimates=estimate_places(basis, places, n_epochs=request.n_epochs, calls=request.calls),
        )

    def _usable(
        self, dataset: Dataset, export: Export | None, policy: Policy, request: EstimateRequest
    ) -> Usable | None:
        """The examples of the newest export, else those that pass the policy's filters.

        None for a dataset without examples, and where the caller names both figures, so that no example counts.
        """
        if request.examples is not None and request.average_tokens is not None:
            return None
        if export:
            tokens = sum(file.tokens for file in export.files.values())
            marked, answer_tokens = export.marked, export.answer_tokens
            return Usable(export.used, tokens, marked, answer_tokens, export.reasons, export.notes)
        if not dataset.revision:
            return None
        statistics = self.example_counts.of(dataset, self.require_time)
        reasons = exclusions_in(statistics, policy)
        return Usable(statistics.usable, statistics.usable_tokens, statistics.marked, None, reasons, statistics.notes)

    def _images(self, dataset: Dataset, export: Export | None) -> CountedImages:
        """The images of the newest export, or of all that is stored before there is one."""
        if export:
            return CountedImages(export.used, _sum_images(file.images for file in export.files.values()))
        revision = dataset.revision
        segments = self.datasets.segments(dataset.tenant, dataset.id, revision) if revision else []
        stored = sum(segment.examples for segment in segments)
        return CountedImages(stored, _sum_images(segment.images for segment in segments))


def _sum_images(counts: Iterable[ImageUnits | None]) -> ImageUnits | None:
    """The images of several files or segments together; None unless they were counted in each."""
    images = list(counts)
    return None if None in images else sum((count for count in images if count is not None), NO_IMAGES)


def basis_of_export(export: Export) -> Basis:
    """The basis of an estimate for a run on an export."""
    train, test = export.files[Split.TRAIN], export.files[Split.TEST]
    return Basis(
        train.examples,
        train.tokens,
        test.examples,
        export.answer_tokens,
        held=export.used - train.examples,
        images=train.images,
    )


def basis_of_count(usable: Usable | None, images: CountedImages, policy: Policy, request: EstimateRequest) -> Basis:
    """The basis of an estimate for a run on as many examples as the caller names, else as the dataset has.

    The examples count as many images each as the dataset's, since an average of tokens says nothing of images. Conflict
    where the caller names only one figure, or none, and the dataset has no usable examples to take the other from.
    """
    examples, average_tokens = request.examples, request.average_tokens
    if examples is not None and average_tokens is not None:
        basis = Basis.of_count(examples, examples * average_tokens, policy=policy)
        return basis._replace(images=images.scale(basis.examples))
    if usable is None or not usable.examples:
        why = "".join(f" {reason.message}" for reason in usable.reasons) if usable else ""
        raise Conflict(f"There are no usable examples to count by.{why} {NAME_BOTH}", code="empty_dataset")
    count, average = examples or usable.examples, average_tokens or usable.tokens / usable.examples
    answer = usable.answer_tokens if average_tokens is None else None
    marked = usable.marked if examples is None else {}
    error = COUNTED_ERROR if (count, average_tokens) == (usable.examples, None) else GUESSED_ERROR
    basis = Basis.of_count(count, round(count * average), answer, error, policy=policy, marked=marked)
    return basis._replace(images=images.scale(basis.examples))


def places_to_price(
    dataset: Dataset, request: EstimateRequest, *, default: str, known: Collection[str]
) -> list[TrainingPlace]:
    """The base models to price: the one that the caller names, else all of a provider's, the dataset's own first.

    `default` is the stage's provider, and `known` are those registered with it, beside the catalog's. Conflict for a
    provider that is neither, InvalidInput for a base model that the provider doesn't have.
    """
    own = dataset.provider or default
    provider, all_providers = request.provider or own, sorted({*known, *providers()})
    if provider not in all_providers:
        message = f"provider: there is no provider {safe_name(provider)}; there is {', '.join(all_providers)}."
        raise Conflict(message, param="provider", code="unknown_provider")
    if request.base_model is not None:
        base_model = dated_name(provider, request.base_model)
        is_own = provider == own and base_model == dated_name(own, dataset.base_model)
        if not is_own and named_models(provider) and price_of(provider, base_model) is None:
            refusal = unknown_base_model(provider, request.base_model, named_models(provider))
            raise InvalidInput(refusal.message, param=refusal.param, code=refusal.code)
        return [TrainingPlace(provider, base_model)]
    is_own = provider == own
    names = base_models(provider, dated_name(provider, dataset.base_model)) if is_own else named_models(provider)
    if not names:
        message = f"base_model: name one of {provider}'s; the catalog lists none of them."
        raise InvalidInput(message, param="base_model", code="missing")
    return [TrainingPlace(provider, name) for name in names]


def estimate_places(
    basis: Basis, places: Iterable[TrainingPlace], *, n_epochs: int | None = None, calls: int | None = None
) -> list[Estimate]:
    """The estimate for each base model; `n_epochs` is billed as for a run with that hyperparameter."""
    chosen = {"n_epochs": n_epochs} if n_epochs else {}
    return [
        estimate(place.base_model, price_of(*place), basis, hyperparameters=chosen, calls=calls) for place in places
    ]
