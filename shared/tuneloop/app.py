"""The composition root: every store and provider, made once per process when first needed."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

from tuneloop.domain.core.errors import OutOfTime
from tuneloop.settings import Settings
from tuneloop.store.dynamodb import Table

if TYPE_CHECKING:
    from tuneloop.providers.registry import Providers
    from tuneloop.providing import KnownProviders
    from tuneloop.store.objects.bucket import Objects
    from tuneloop.store.objects.export_members import Membership
    from tuneloop.store.outbox import Bus, Outbox
    from tuneloop.store.queues import Queue
    from tuneloop.store.repositories.budgets import Spendings
    from tuneloop.store.repositories.contents import Contents
    from tuneloop.store.repositories.datasets import Datasets
    from tuneloop.store.repositories.erasures import Erasures
    from tuneloop.store.repositories.evaluations import Evaluations
    from tuneloop.store.repositories.exports import Exports
    from tuneloop.store.repositories.files import UploadedFiles
    from tuneloop.store.repositories.generations import Generations
    from tuneloop.store.repositories.models import Models
    from tuneloop.store.repositories.providers import ProviderRows
    from tuneloop.store.repositories.reviews import Reviews
    from tuneloop.store.repositories.runs import Runs
    from tuneloop.store.repositories.statistics import ExampleCounts, KeptStatistics
    from tuneloop.store.repositories.tenants import Tenants
    from tuneloop.store.repositories.trained import TrainedExports
    from tuneloop.store.repositories.usage import Usage
    from tuneloop.store.repositories.votes import Votes


class Patience(NamedTuple):
    """How long one try at a service of AWS may take: until it is connected, and until it answers."""

    connect_s: float = 1.0
    read_s: float = 3.0


# Far beyond what these services take; S3 may pause while it streams, and a queue must not hold up an answer.
PATIENCE = {"s3": Patience(2.0, 8.0), "sqs": Patience(0.5, 1.0)}
TRIES = 2
# Else boto3 signs links in a way, and for a host, that only the oldest regions and buckets take.
PRESIGNING: Any = {"signature_version": "s3v4", "s3": {"addressing_style": "virtual"}}


def utc_now() -> datetime:
    """The time, from the one place that reads the clock."""
    return datetime.now(UTC)


OVERDUE = "This took longer than an answer may take. Ask for less, or try again."


def new_nonce() -> str:
    """Twelve random hex digits, from the one place that makes them."""
    return uuid4().hex[:12]


class App:
    """Everything that use cases are given; one per process."""

    _ends = inf

    @contextmanager
    def answering_within(self, seconds: float) -> Iterator[None]:
        """Let nothing be asked of AWS whose answer could come later than `seconds` from now; OutOfTime instead."""
        before, self._ends = self._ends, monotonic() + seconds
        try:
            yield
        finally:
            self._ends = before

    @property
    def remaining_s(self) -> float:
        """Seconds until the answer in hand is due; without end where nobody waits for one."""
        return self._ends - monotonic()

    def require_time(self) -> None:
        """Raise OutOfTime where the answer in hand is overdue: for work that asks nothing of AWS for long."""
        if self.remaining_s < 0:
            raise OutOfTime(OVERDUE)

    @cached_property
    def settings(self) -> Settings:
        """The environment, typed."""
        return Settings.from_environment()

    def client(self, service: str) -> Any:
        """A boto3 client for a service; a call that hangs is given up long before the function is."""
        import boto3
        from botocore.config import Config

        patience = PATIENCE.get(service, Patience())
        retries: Any = {"mode": "standard", "total_max_attempts": TRIES}
        config = Config(connect_timeout=patience.connect_s, read_timeout=patience.read_s, retries=retries)
        if service == "s3":
            config = config.merge(Config(**PRESIGNING))
        client: Any = boto3.client(service, config=config)  # type: ignore[call-overload]

        def begin(**_: Any) -> None:  # OutOfTime where an answer could come too late
            if self.remaining_s < sum(patience):
                raise OutOfTime(OVERDUE)

        client.meta.events.register("before-send", begin)
        return client

    @cached_property
    def table(self) -> Table:
        """The one table."""
        return Table(self.client("dynamodb"), self.settings.table)

    @cached_property
    def tenants(self) -> "Tenants":
        """The registry of tenants, and their keys."""
        from tuneloop.store.repositories.tenants import Tenants

        return Tenants(self.table)

    @cached_property
    def datasets(self) -> "Datasets":
        """The datasets of every tenant."""
        from tuneloop.store.repositories.datasets import Datasets

        return Datasets(self.table)

    @cached_property
    def contents(self) -> "Contents":
        """What datasets hold: their segments and reviews as one stream."""
        from tuneloop.store.repositories.contents import Contents

        return Contents(self.datasets, self.reviews, self.objects, self.erasures)

    @cached_property
    def erasures(self) -> "Erasures":
        """What was erased."""
        from tuneloop.store.repositories.erasures import Erasures

        return Erasures(self.table)

    @cached_property
    def files(self) -> "UploadedFiles":
        """Files of OpenAI's wire."""
        from tuneloop.store.repositories.files import UploadedFiles

        return UploadedFiles(self.table)

    @cached_property
    def generations(self) -> "Generations":
        """Segments as they are merged and rewritten."""
        from tuneloop.store.repositories.generations import Generations

        return Generations(self.table, self.datasets)

    @cached_property
    def reviews(self) -> "Reviews":
        """Decisions on examples."""
        from tuneloop.store.repositories.reviews import Reviews

        return Reviews(self.table)

    @cached_property
    def votes(self) -> "Votes":
        """What subjects said is right."""
        from tuneloop.store.repositories.votes import Votes

        return Votes(self.table)

    @cached_property
    def statistics(self) -> "KeptStatistics":
        """What was last counted of each dataset."""
        from tuneloop.store.repositories.statistics import KeptStatistics

        return KeptStatistics(self.table)

    @cached_property
    def example_counts(self) -> "ExampleCounts":
        """Figures of datasets, counted once for each state of one."""
        from tuneloop.store.repositories.statistics import ExampleCounts

        return ExampleCounts(self.statistics, self.contents, self.exports, self.membership)

    @cached_property
    def trained(self) -> "TrainedExports":
        """What versions have seen, by dataset."""
        from tuneloop.store.repositories.trained import TrainedExports

        return TrainedExports(
            self.table,
            exports=self.exports,
            models=self.models,
            contents=self.contents,
            membership=self.membership,
            objects=self.objects,
        )

    @cached_property
    def exports(self) -> "Exports":
        """The exports of every tenant."""
        from tuneloop.store.repositories.exports import Exports

        return Exports(self.table)

    @cached_property
    def membership(self) -> "Membership":
        """Which export made what of which example."""
        from tuneloop.store.objects.export_members import Membership

        return Membership(self.objects)

    @cached_property
    def runs(self) -> "Runs":
        """The runs of every tenant."""
        from tuneloop.store.repositories.runs import Runs

        return Runs(self.table)

    @cached_property
    def spendings(self) -> "Spendings":
        """The budgets of every tenant, and what is used of them."""
        from tuneloop.store.repositories.budgets import Spendings

        return Spendings(self.table)

    @cached_property
    def models(self) -> "Models":
        """The models of every tenant."""
        from tuneloop.store.repositories.models import Models

        return Models(self.table)

    @cached_property
    def evaluations(self) -> "Evaluations":
        """The evaluations of every tenant."""
        from tuneloop.store.repositories.evaluations import Evaluations

        return Evaluations(self.table)

    @cached_property
    def usage(self) -> "Usage":
        """Usage and feedback counters."""
        from tuneloop.store.repositories.usage import Usage

        return Usage(self.table)

    @cached_property
    def outbox(self) -> "Outbox":
        """Events that wait for the bus."""
        from tuneloop.store.outbox import Outbox

        return Outbox(self.table)

    @cached_property
    def objects(self) -> "Objects":
        """The data bucket."""
        from tuneloop.store.objects.bucket import Objects

        return Objects(self.client("s3"), _needed(self.settings.bucket, "bucket"))

    @cached_property
    def bus(self) -> "Bus":
        """The domain bus."""
        from tuneloop.store.outbox import Bus

        return Bus(self.client("events"), _needed(self.settings.bus, "bus"))

    @cached_property
    def examples_queue(self) -> "Queue":
        """Examples from the API, and reminders to look at a dataset again."""
        return self._queue(_needed(self.settings.examples_queue_url, "examples_queue_url"))

    @cached_property
    def usage_queue(self) -> "Queue":
        """Usage on its way to the counters."""
        return self._queue(_needed(self.settings.usage_queue_url, "usage_queue_url"))

    @cached_property
    def provider_rows(self) -> "ProviderRows":
        """The providers that were added to this stage."""
        from tuneloop.store.repositories.providers import ProviderRows

        return ProviderRows(self.table)

    @cached_property
    def providers(self) -> "Providers":
        """The providers that this stage trains at and serves from, their keys read from SSM when first needed."""
        from tuneloop.providing import providers_of

        return providers_of(self.settings, self.provider_rows, self.secret, self.client)

    @cached_property
    def known_providers(self) -> "KnownProviders":
        """Names of the registered providers, without their keys: for a function that calls none of them."""
        from tuneloop.providing import KnownProviders

        return KnownProviders(self.settings, self.provider_rows)

    def secret(self, parameter: str) -> str | None:
        """What an SSM parameter holds, None where there is none of that name."""
        try:
            return str(self._ssm.get_parameter(Name=parameter, WithDecryption=True)["Parameter"]["Value"])
        except self._ssm.exceptions.ParameterNotFound:
            return None

    @cached_property
    def _ssm(self) -> Any:
        return self.client("ssm")

    def _queue(self, url: str) -> "Queue":
        from tuneloop.store.queues import Queue

        return Queue(self.client("sqs"), url)


def _needed(value: str | None, name: str) -> str:
    if value is None:
        raise RuntimeError(f"TUNELOOP_{name.upper()} is not set: this function's row of the table doesn't ask for it")
    return value


app = App()
