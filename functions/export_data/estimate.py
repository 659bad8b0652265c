"""The estimate of a dataset: what training on it would cost with each base model, from the best count there is.

The best is the newest export, whose split is known to the last token. Before there is one, it is what passes the
policy's filters, before duplicates and conflicts. Either gives way to a number of examples that the caller names, whose
images are assumed to be as many as the dataset's.
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

BOTH = "Give both `examples` and `average_tokens`, as you think of them."


class EstimateRequest(NamedTuple):
    """What a caller asks to be estimated; None leaves it to the dataset.

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
    """What of a dataset is trained, validated or tested with, and why not more of it.

    Examples, their tokens, those that users marked by split, the tokens of an answer if known; reasons and notes.
    """

    examples: int
    tokens: int
    marked: dict[Split, int]
    answer_tokens: float | None
    reasons: list[Exclusion]
    notes: list[str]


class CountedImages(NamedTuple):
    """The images in so many examples; None where they weren't counted yet when these were stored."""

    examples: int
    images: ImageUnits | None

    def scale(self, examples: int) -> ImageUnits | None:
        """The images in another number of examples, if these have as many each."""
        return self.images and self.images.scale(examples / self.examples if self.examples else 0.0)


@dataclass(frozen=True)
class EstimateTraining:
    """Estimates what training on datasets costs; the names of providers are the stage's, and so is the default."""

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
        """What the newest export took, or the policy's filters take; None without examples, and where none counts."""
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
    """The images of several files or segments, None where they weren't counted in each."""
    known = list(counts)
    return None if None in known else sum((count for count in known if count is not None), NO_IMAGES)


def basis_of_export(export: Export) -> Basis:
    """What a run on an export trains and tests on."""
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
    """What a run on as many examples as the caller names, or as the dataset has, trains and tests on.

    They have as many images each as the dataset's: an average of tokens says nothing of these. Conflict where the
    caller names too little and the dataset has nothing to complete it by.
    """
    examples, average_tokens = request.examples, request.average_tokens
    if examples is not None and average_tokens is not None:
        basis = Basis.of_count(examples, examples * average_tokens, policy=policy)
        return basis._replace(images=images.scale(basis.examples))
    if usable is None or not usable.examples:
        why = "".join(f" {reason.message}" for reason in usable.reasons) if usable else ""
        raise Conflict(f"There are no usable examples to count by.{why} {BOTH}", code="empty_dataset")
    wanted, average = examples or usable.examples, average_tokens or usable.tokens / usable.examples
    answer = usable.answer_tokens if average_tokens is None else None
    marked = usable.marked if examples is None else {}
    error = COUNTED_ERROR if (wanted, average_tokens) == (usable.examples, None) else GUESSED_ERROR
    basis = Basis.of_count(wanted, round(wanted * average), answer, error, policy=policy, marked=marked)
    return basis._replace(images=images.scale(basis.examples))


def places_to_price(
    dataset: Dataset, request: EstimateRequest, *, default: str, known: Collection[str]
) -> list[TrainingPlace]:
    """The base models to price: the one that is asked for, else all that a provider lists, the dataset's own first.

    `default` is the stage's provider, and `known` are those registered with it, beside the catalog's. Conflict for a
    provider that is neither, InvalidInput for a base model that the provider doesn't have.
    """
    own = dataset.provider or default
    provider, all_providers = request.provider or own, sorted({*known, *providers()})
    if provider not in all_providers:
        message = f"provider: there is no provider {safe_name(provider)}; there is {', '.join(all_providers)}."
        raise Conflict(message, param="provider", code="unknown_provider")
    if request.base_model is not None:
        wanted = dated_name(provider, request.base_model)
        is_own = provider == own and wanted == dated_name(own, dataset.base_model)
        if not is_own and named_models(provider) and price_of(provider, wanted) is None:
            refusal = unknown_base_model(provider, request.base_model, named_models(provider))
            raise InvalidInput(refusal.message, param=refusal.param, code=refusal.code)
        return [TrainingPlace(provider, wanted)]
    is_own = provider == own
    names = base_models(provider, dated_name(provider, dataset.base_model)) if is_own else named_models(provider)
    if not names:
        message = f"base_model: name one of {provider}'s; the catalog lists none of them."
        raise InvalidInput(message, param="base_model", code="missing")
    return [TrainingPlace(provider, name) for name in names]


def estimate_places(
    basis: Basis, places: Iterable[TrainingPlace], *, n_epochs: int | None = None, calls: int | None = None
) -> list[Estimate]:
    """The estimate for each base model; chosen epochs count as a run that asks for them is billed."""
    chosen = {"n_epochs": n_epochs} if n_epochs else {}
    return [
        estimate(place.base_model, price_of(*place), basis, hyperparameters=chosen, calls=calls) for place in places
    ]
