"""Jobs: what a script for OpenAI's fine-tuning asks for, as a run of the dataset that its training file is.

Spending above the limit of the dataset is refused here, before there is a run, and says what it would cost: a script
that polls couldn't be asked. What it names in its metadata is its confirmation.
"""

import re
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from launch_finetune.checks import end_in_sight
from launch_finetune.repeated_calls import Attempt, Repeats
from launch_finetune.request import confirm, expected_method, is_of
from launch_finetune.resolve_request import RunRequest, check, resolve_request
from launch_finetune.run_options import RunOptions
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

CONFIRMING = "tuneloop_max_usd"
PLACE = f"metadata.{CONFIRMING}"
HOW = (
    'Confirm it with `metadata={{"{0}": "{1}"}}`, the most in US dollars that it may cost, '
    "or raise the dataset's `max_run_usd`."
)
UNHELD = (
    'Confirm the job as such with `metadata={{"{0}": "{1}"}}`; no sum can be held against a price that nobody knows.'
)
UNKNOWN_PRICE = "What training on this file and base model costs is not known here."
NAMES = {"base_model": "model", "dataset": "training_file"}  # of ours, as this wire has them
NO_SUM = "10.00"  # what the refusal shows where no sum is known


class NewJob(JobRequest, extra="forbid"):
    """The body of `POST /v1/fine_tuning/jobs`, its files being datasets."""

    training_file: Id
    validation_file: Id | None = None

    @property
    def chosen(self) -> dict[str, Any]:
        """The hyperparameters that aren't left to the provider."""
        wanted = self.preference if self.method and self.method.type == "dpo" else self.supervised
        return {name: value for name, value in wanted.model_dump().items() if value != "auto"}

    @property
    def confirmed_usd(self) -> Decimal | None:
        """How much the job may cost, as its metadata says."""
        said = (self.metadata or {}).get(CONFIRMING)
        if said is None:
            return None
        amount = parse_decimal(said)
        if amount is None or not 0 <= amount <= RUN_USD:
            raise InvalidInput(f"{PLACE}: must be an amount of US dollars, such as 12.50.", param=PLACE)
        return amount


@dataclass
class JobCreation:
    """What creating a job needs."""

    datasets: Datasets
    exports: Exports
    models: Models
    runs: Runs
    providers: Providers
    spendings: Spendings
    now: datetime

    def create(self, tenant: str, new: NewJob, repeats: Repeats) -> ControlledRun:
        """The run of a job; the same job is the same run, after a failure the next attempt unless the call is repeated.

        Conflict `confirmation_required` where it may cost more than its dataset allows and its metadata doesn't.
        """
        repeats = replace(repeats, is_still_meant=lambda run: self._is_still_meant(run, new))
        run = repeats.give(lambda attempt: self._ask(tenant, new, attempt))
        if run.status == RunStatus.AWAITING_CONFIRMATION and new.confirmed_usd is not None:
            return self._confirm(run, new.confirmed_usd)
        return run

    def _is_still_meant(self, run: ControlledRun, new: NewJob) -> bool:
        """Whether the files of a job hold what its run was given; one that is gone can't hold anything else."""
        dataset = self.datasets.find(run.tenant, new.training_file)
        other = self.datasets.find(run.tenant, new.validation_file) if new.validation_file else None
        is_same = dataset is None or is_of(run, dataset)
        return is_same and (other is None or other.revision == run.validation_revision)

    def _ask(self, tenant: str, new: NewJob, attempt: Attempt) -> ControlledRun:
        _require_possible(new)
        dataset = self._file(tenant, new.training_file, "training_file")
        other = self._file(tenant, new.validation_file, "validation_file") if new.validation_file else None
        _require_kind(new, dataset)
        if other and not other.revision:
            raise Conflict(f"Dataset {other.id} has no examples yet.", param="validation_file", code="empty_dataset")
        confirmed = self._confirmed(new, dataset)
        name = model_name(new.suffix) if new.suffix else dataset.model
        wanted = RunRequest(
            base_model=new.model,
            hyperparameters=new.chosen,
            metadata=new.metadata or {},
            suffix=name,
            particulars=RunOptions(name, other, new.seed, new.confirmed_usd, confirmed),
            **attempt._asdict(),
        )
        self._check(dataset, wanted)
        self._register(dataset, name, new.model)
        return resolve_request(
            dataset, wanted, providers=self.providers, exports=self.exports, runs=self.runs, now=self.now
        )

    def _file(self, tenant: str, name: str, param: str) -> Dataset:
        if (found := self.datasets.find(tenant, name)) is None:
            raise NotFound(f"There is no file or dataset {name} here: upload it first.", param=param)
        return found

    def _check(self, dataset: Dataset, wanted: RunRequest) -> None:
        """Refuse what can't be trained, by the names that fields have on this wire."""
        try:
            check(dataset, wanted, providers=self.providers, exports=self.exports, now=self.now)
        except InvalidInput as error:
            ours = error.param or ""
            theirs = NAMES.get(ours, ours)
            message = error.message.replace(f"{ours}:", f"{theirs}:", 1) if ours else error.message
            raise InvalidInput(message, param=theirs or None, code=error.code) from error

    def _confirm(self, run: ControlledRun, most: Decimal) -> ControlledRun:
        """A run of before that waits for what this job confirms."""
        if run.estimated_cost_usd is None or run.estimated_cost_usd <= most:
            return confirm(run, runs=self.runs, now=self.now)
        return run

    def _provider(self, dataset: Dataset) -> str:
        return dataset.provider or self.providers.default

    def _confirmed(self, new: NewJob, dataset: Dataset) -> bool:
        """Whether nobody is to be asked again, as there is no sum that the confirmation could be compared with."""
        offer = price_of(self._provider(dataset), dated_name(self._provider(dataset), new.model))
        estimate, most = self._estimate(new, dataset, offer), new.confirmed_usd
        ending = end_in_sight(offer, self.now)
        if estimate is not None and estimate > max(dataset.max_run_usd, most or Decimal(0)):
            limit = "its metadata" if most is not None and most > dataset.max_run_usd else "its dataset"
            raise _unconfirmed(f"This job would cost about ${estimate:.2f}, more than {limit} allows.", estimate)
        if estimate is None and most is None:
            raise _unconfirmed(UNKNOWN_PRICE, None)
        month, _ = self.spendings.of(dataset.tenant, month_of(self.now))
        reason = ending or (month.refusal(estimate) if estimate is not None else None)
        if reason and most is None:
            raise _unconfirmed(reason.removeprefix("A confirmation: "), estimate)
        return estimate is None or reason is not None

    def _estimate(self, new: NewJob, dataset: Dataset, offer: Offer | None) -> Decimal | None:
        segments = self.datasets.segments(dataset.tenant, dataset.id, dataset.revision) if dataset.revision else []
        images = sum((segment.images or NO_IMAGES for segment in segments), NO_IMAGES)
        examples, tokens = (sum(getattr(each, name) for each in segments) for name in ("examples", "tokens"))
        return billable_of(offer, examples, tokens, images, new.chosen).cost(offer)

    def _register(self, dataset: Dataset, name: str, base_model: str) -> None:
        """Make the model that a suffix names, if there is none; Conflict where another dataset feeds it."""
        if name == dataset.model:
            return
        if self.datasets.find(dataset.tenant, name):
            message = f"suffix: the model {name} is trained from dataset {name}; choose another, or train on that."
            raise Conflict(message, param="suffix", code="model_taken")
        if self.models.find(dataset.tenant, name) is None:
            provider = self._provider(dataset)
            base = dated_name(provider, base_model)
            try:
                self.models.register(new_model(dataset.tenant, name, provider, base, self.now))
            except Stale:  # somebody else did
                self.models.get(dataset.tenant, name)


def model_name(suffix: str) -> str:
    """The name of the model that a suffix asks for: in small letters, with hyphens for all that a name can't hold."""
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
    known = METHODS[expected_method(dataset, None)]
    if new.method and new.method.type != known:
        message = f"method.type: the file is for `{known}`, by what its lines hold or its policy's `kind` says."
        raise InvalidInput(message, param="method.type", code="other_kind")


def _unconfirmed(why: str, estimate: Decimal | None) -> Conflict:
    if estimate is None:
        how = UNHELD.format(CONFIRMING, NO_SUM)
    else:
        how = HOW.format(CONFIRMING, f"{estimate + Decimal('0.01'):.2f}")
    return Conflict(f"{why} {how}", param=PLACE, code="confirmation_required")
