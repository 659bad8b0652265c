"""Creates runs from requests for OpenAI's fine-tuning jobs; the training file of a job is a dataset.

A job that may cost more than its dataset allows is refused before there is a run, with its estimated cost, as a script
that polls couldn't be asked to confirm it. The script confirms it in the job's metadata.
"""

import re
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from launch_finetune.checks import shutdown_warning
from launch_finetune.repeated_calls import AttemptOptions, RepeatableCall
from launch_finetune.request import Confirmations, RunOptions, RunRequest, RunRequests, expected_method, trains_revision
from tuneloop.api.job_view import METHODS
from tuneloop.domain.chat.images import NO_IMAGES
from tuneloop.domain.core.errors import Conflict, InvalidInput, NotFound, NotSupported, Stale
from tuneloop.domain.core.ids import PATTERN
from tuneloop.domain.core.ids import Name as Id
from tuneloop.domain.core.limits import RUN_USD
from tuneloop.domain.core.numbers import parse_decimal
from tuneloop.domain.datasets.datasets import Dataset
from tuneloop.domain.serving.models import new_model
from tuneloop.domain.training.budgets import month_of
from tuneloop.domain.training.costs import billable_of
from tuneloop.domain.training.model_offers import Offer
from tuneloop.domain.training.runs import ControlledRun, RunStatus
from tuneloop.openai_wire.fine_tuning import JobRequest
from tuneloop.providers.catalog import dated_name, price_of
from tuneloop.providers.registry import Providers
from tuneloop.store.repositories.budgets import Spendings
from tuneloop.store.repositories.datasets import Datasets
from tuneloop.store.repositories.exports import Exports
from tuneloop.store.repositories.models import Models
from tuneloop.store.repositories.runs import Runs

CONFIRMATION_KEY = "tuneloop_max_usd"
CONFIRMATION_PARAM = f"metadata.{CONFIRMATION_KEY}"
CONFIRM_WITH_SUM = (
    'Confirm it with `metadata={{"{0}": "{1}"}}`, the most in US dollars that it may cost, '
    "or raise the dataset's `max_run_usd`."
)
CONFIRM_WITHOUT_PRICE = (
    'Confirm the job as such with `metadata={{"{0}": "{1}"}}`; no sum can be held against a price that nobody knows.'
)
UNKNOWN_PRICE = "What training on this file and base model costs is not known here."
WIRE_NAMES = {"base_model": "model", "dataset": "training_file"}  # our names of fields, and OpenAI's
EXAMPLE_SUM = "10.00"  # shown as an example where no cost is known


class NewJob(JobRequest, extra="forbid"):
    """The body of `POST /v1/fine_tuning/jobs`, its files being datasets."""

    training_file: Id
    validation_file: Id | None = None

    @property
    def chosen(self) -> dict[str, Any]:
        """The hyperparameters with a value, without those that are left to the provider (`auto`)."""
        hyperparameters = self.preference if self.method and self.method.type == "dpo" else self.supervised
        return {name: value for name, value in hyperparameters.model_dump().items() if value != "auto"}

    @property
    def confirmed_usd(self) -> Decimal | None:
        """The most US dollars that the job may cost by its metadata; None if it names no sum."""
        text = (self.metadata or {}).get(CONFIRMATION_KEY)
        if text is None:
            return None
        amount = parse_decimal(text)
        if amount is None or not 0 <= amount <= RUN_USD:
            message = f"{CONFIRMATION_PARAM}: must be an amount of US dollars, such as 12.50."
            raise InvalidInput(message, param=CONFIRMATION_PARAM)
        return amount


@dataclass(frozen=True)
class JobCreation:
    """Creates the runs of OpenAI's fine-tuning jobs."""

    datasets: Datasets
    exports: Exports
    models: Models
    runs: Runs
    providers: Providers
    spendings: Spendings
    now: datetime

    def create_job(self, tenant: str, new: NewJob, call: RepeatableCall) -> ControlledRun:
        """The run of a job; an equal job gets the same run, or after a failure the next attempt unless it is a repeat.

        Conflict `confirmation_required` where the job may cost more than its dataset and its metadata allow.
        """
        call = replace(call, is_still_meant=lambda run: self._is_still_meant(run, new))
        run = call.answer(lambda attempt: self._request(tenant, new, attempt))
        if run.status == RunStatus.AWAITING_CONFIRMATION and new.confirmed_usd is not None:
            return self._confirm(run, new.confirmed_usd)
        return run

    def _is_still_meant(self, run: ControlledRun, new: NewJob) -> bool:
        """Whether the files of a job are still those that its run was given; a deleted file counts as unchanged."""
        dataset = self.datasets.find(run.tenant, new.training_file)
        validation = self.datasets.find(run.tenant, new.validation_file) if new.validation_file else None
        is_same = dataset is None or trains_revision(run, dataset)
        return is_same and (validation is None or validation.revision == run.validation_revision)

    def _request(self, tenant: str, new: NewJob, attempt: AttemptOptions) -> ControlledRun:
        _require_possible(new)
        dataset = self._file(tenant, new.training_file, "training_file")
        validation = self._file(tenant, new.validation_file, "validation_file") if new.validation_file else None
        _require_kind(new, dataset)
        if validation and not validation.revision:
            message = f"Dataset {validation.id} has no examples yet."
            raise Conflict(message, param="validation_file", code="empty_dataset")
        confirmed = self._is_confirmed(new, dataset)
        name = model_name(new.suffix) if new.suffix else dataset.model
        request = RunRequest(
            base_model=new.model,
            hyperparameters=new.chosen,
            metadata=new.metadata or {},
            suffix=name,
            options=RunOptions(name, validation, new.seed, new.confirmed_usd, confirmed),
            **attempt._asdict(),
        )
        self._check(dataset, request)
        self._register(dataset, name, new.model)
        return self._requests.resolve(dataset, request)

    @property
    def _requests(self) -> RunRequests:
        return RunRequests(self.providers, self.exports, self.runs, self.now)

    def _file(self, tenant: str, name: str, param: str) -> Dataset:
        if (dataset := self.datasets.find(tenant, name)) is None:
            raise NotFound(f"There is no file or dataset {name} here: upload it first.", param=param)
        return dataset

    def _check(self, dataset: Dataset, request: RunRequest) -> None:
        """Refuse a request that can't be trained; errors have OpenAI's names of fields."""
        try:
            self._requests.check(dataset, request)
        except InvalidInput as error:
            ours = error.param or ""
            theirs = WIRE_NAMES.get(ours, ours)
            message = error.message.replace(f"{ours}:", f"{theirs}:", 1) if ours else error.message
            raise InvalidInput(message, param=theirs or None, code=error.code) from error

    def _confirm(self, run: ControlledRun, most: Decimal) -> ControlledRun:
        """Confirm a run of an earlier call that awaits it, unless its estimate is above `most` US dollars."""
        if run.estimated_cost_usd is None or run.estimated_cost_usd <= most:
            return Confirmations(self.runs, self.now).confirm(run)
        return run

    def _provider(self, dataset: Dataset) -> str:
        return dataset.provider or self.providers.default

    def _is_confirmed(self, new: NewJob, dataset: Dataset) -> bool:
        """Whether the run counts as confirmed, as its later estimate can't be compared with the confirmed sum.

        Conflict `confirmation_required` where the run needs a confirmation that the metadata doesn't give.
        """
        offer = price_of(self._provider(dataset), dated_name(self._provider(dataset), new.model))
        estimate, most = self._estimate(new, dataset, offer), new.confirmed_usd
        shutdown = shutdown_warning(offer, self.now)
        if estimate is not None and estimate > max(dataset.max_run_usd, most or Decimal(0)):
            limit = "its metadata" if most is not None and most > dataset.max_run_usd else "its dataset"
            raise _confirmation_error(f"This job would cost about ${estimate:.2f}, more than {limit} allows.", estimate)
        if estimate is None and most is None:
            raise _confirmation_error(UNKNOWN_PRICE, None)
        month, _ = self.spendings.of(dataset.tenant, month_of(self.now))
        reason = shutdown or (month.refusal(estimate) if estimate is not None else None)
        if reason and most is None:
            raise _confirmation_error(reason.removeprefix("A confirmation: "), estimate)
        return estimate is None or reason is not None

    def _estimate(self, new: NewJob, dataset: Dataset, offer: Offer | None) -> Decimal | None:
        segments = self.datasets.segments(dataset.tenant, dataset.id, dataset.revision) if dataset.revision else []
        images = sum((segment.images or NO_IMAGES for segment in segments), NO_IMAGES)
        examples, tokens = (sum(getattr(segment, name) for segment in segments) for name in ("examples", "tokens"))
        return billable_of(offer, examples, tokens, images, new.chosen).cost(offer)

    def _register(self, dataset: Dataset, name: str, base_model: str) -> None:
        """Register the model that the suffix names, if there is none; Conflict where another dataset feeds it."""
        if name == dataset.model:
            return
        if self.datasets.find(dataset.tenant, name):
            message = f"suffix: the model {name} is trained from dataset {name}; choose another, or train on that."
            raise Conflict(message, param="suffix", code="model_taken")
        if self.models.find(dataset.tenant, name) is None:
            provider = self._provider(dataset)
            dated = dated_name(provider, base_model)
            try:
                self.models.register(new_model(dataset.tenant, name, provider, dated, self.now))
            except Stale:  # somebody else registered it
                self.models.get(dataset.tenant, name)


def model_name(suffix: str) -> str:
    """The model name for a suffix: in lower case, with a hyphen for each run of characters that a name can't have."""
    name = re.sub(r"[^a-z0-9]+", "-", suffix.lower()).strip("-")[:63].rstrip("-")
    if re.fullmatch(PATTERN, name) is None:
        raise InvalidInput("suffix: must hold a letter from a to z or a digit.", param="suffix")
    return name


def _require_possible(new: NewJob) -> None:
    if new.integrations:
        message = "integrations: are not supported here; follow the job's events, or the figures of its run."
        raise NotSupported(message, param="integrations")
    if new.method and new.method.type == "reinforcement":
        raise NotSupported(
            "method.type: `reinforcement` is not supported here; take `supervised` or `dpo`.", param="method.type"
        )
    if new.validation_file == new.training_file:
        message = "validation_file: must be another file than the training file, or its loss would prove nothing."
        raise InvalidInput(message, param="validation_file", code="same_validation_file")


def _require_kind(new: NewJob, dataset: Dataset) -> None:
    method = METHODS[expected_method(dataset, None)]
    if new.method and new.method.type != method:
        message = f"method.type: the file is for `{method}`, by what its lines hold or its policy's `kind` says."
        raise InvalidInput(message, param="method.type", code="other_kind")


def _confirmation_error(reason: str, estimate: Decimal | None) -> Conflict:
    """The refusal of a job that isn't confirmed: the reason, and how to confirm it, by a cent above the estimate."""
    if estimate is None:
        how = CONFIRM_WITHOUT_PRICE.format(CONFIRMATION_KEY, EXAMPLE_SUM)
    else:
        how = CONFIRM_WITH_SUM.format(CONFIRMATION_KEY, f"{estimate + Decimal('0.01'):.2f}")
    return Conflict(f"{reason} {how}", param=CONFIRMATION_PARAM, code="confirmation_required")
