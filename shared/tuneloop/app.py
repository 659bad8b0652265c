"""The composition root: every store and provider, made once per process when first needed."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property, partial
from importlib import import_module
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

from tuneloop.domain.core.errors import OutOfTime
from tuneloop.settings import Settings
from tuneloop.store.dynamodb import Table

if TYPE_CHECKING:
    from tuneloop.providers.registry import ProviderNames, Providers
    from tuneloop.store.objects.bucket import Objects
    from tuneloop.store.objects.export_columns import Membership
    from tuneloop.store.outbox import Bus, Outbox
    from tuneloop.store.queues import Queue
    from tuneloop.store.repositories.budgets import Spendings
    from tuneloop.store.repositories.contents import Contents
    from tuneloop.store.repositories.datasets import Datasets
    from tuneloop.store.repositories.erasures import Erasures
    from tuneloop.store.repositories.evaluations import Evaluations
    from tuneloop.store.repositories.exports import Exports, TrainedExports
    from tuneloop.store.repositories.files import UploadedFiles
    from tuneloop.store.repositories.fingerprint_backfill import FingerprintBackfill
    from tuneloop.store.repositories.generations import Generations
    from tuneloop.store.repositories.models import Models
    from tuneloop.store.repositories.posts import Posts
    from tuneloop.store.repositories.providers import ProviderRows
    from tuneloop.store.repositories.reviews import Reviews
    from tuneloop.store.repositories.runs import Runs
    from tuneloop.store.repositories.statistics import ExampleCounts, StatisticsRows
    from tuneloop.store.repositories.tenants import Tenants
    from tuneloop.store.repositories.usage import Usage
    from tuneloop.store.repositories.votes import Votes


class Patience(NamedTuple):
    """How long one try at a service of AWS may take: until it is connected, and until it answers."""

    connect_s: float = 1.0
    read_s: float = 3.0


# Far beyond the milliseconds that these services take. S3 may pause while it streams; an answer must not wait for a
# queue: usage that can't be sent at once is given up and counted as UsageLost.
PATIENCE = {"s3": Patience(2.0, 8.0), "sqs": Patience(0.5, 1.0)}
# A call is sent once more at most: that overcomes one that was lost or throttled, while a service that hangs is told of
# after twice its patience and a pause of up to a second.
TRIES = 2
OVERDUE = "This took longer than an answer may take. Ask for less, or try again."
# Else boto3 signs links in a way, and for a host, that only the oldest regions and buckets take.
PRESIGNING: Any = {"signature_version": "s3v4", "s3": {"addressing_style": "virtual"}}


def utc_now() -> datetime:
    """The time, from the one place that reads the clock."""
    return datetime.now(UTC)


def new_nonce() -> str:
    """Twelve random hex digits, from the one place that makes them."""
    return uuid4().hex[:12]


def part(path: str, *needs: str) -> Any:
    """An attribute of the App that is made once, when first read: of a class of ours and of other attributes, by name.

    The class is imported only then, so that a function's cold start loads the stores that it uses and no other.
    """
    return cached_property(partial(_make_part, path, needs))


def _make_part(path: str, needs: tuple[str, ...], app: "App") -> Any:
    module, _, name = path.rpartition(".")
    return getattr(import_module(f"tuneloop.{module}"), name)(*(getattr(app, need) for need in needs))


class App:
    """Everything that use cases are given; one per process."""

    _ends = inf  # when the answer in hand is due, on the monotonic clock

    # Each attribute with its class, and what an instance is made of: first what lies on the table, then what is made
    # of others of these. That the classes take just that, tests/unit/test_app.py checks, as mypy can't.
    tenants: "Tenants" = part("store.repositories.tenants.Tenants", "table")
    datasets: "Datasets" = part("store.repositories.datasets.Datasets", "table")
    erasures: "Erasures" = part("store.repositories.erasures.Erasures", "table")
    evaluations: "Evaluations" = part("store.repositories.evaluations.Evaluations", "table")
    exports: "Exports" = part("store.repositories.exports.Exports", "table")
    files: "UploadedFiles" = part("store.repositories.files.UploadedFiles", "table")
    models: "Models" = part("store.repositories.models.Models", "table")
    outbox: "Outbox" = part("store.outbox.Outbox", "table")
    provider_rows: "ProviderRows" = part("store.repositories.providers.ProviderRows", "table")
    reviews: "Reviews" = part("store.repositories.reviews.Reviews", "table")
    runs: "Runs" = part("store.repositories.runs.Runs", "table")
    spendings: "Spendings" = part("store.repositories.budgets.Spendings", "table")
    statistics: "StatisticsRows" = part("store.repositories.statistics.StatisticsRows", "table")
    usage: "Usage" = part("store.repositories.usage.Usage", "table")
    votes: "Votes" = part("store.repositories.votes.Votes", "table")

    generations: "Generations" = part("store.repositories.generations.Generations", "table", "datasets")
    posts: "Posts" = part("store.repositories.posts.Posts", "datasets", "objects", "examples_queue")
    membership: "Membership" = part("store.objects.export_columns.Membership", "objects")
    contents: "Contents" = part("store.repositories.contents.Contents", "datasets", "reviews", "objects", "erasures")
    example_counts: "ExampleCounts" = part(
        "store.repositories.statistics.ExampleCounts", "statistics", "contents", "exports", "membership"
    )
    fingerprint_backfill: "FingerprintBackfill" = part(
        "store.repositories.fingerprint_backfill.FingerprintBackfill", "contents", "membership", "objects"
    )
    trained: "TrainedExports" = part(
        "store.repositories.exports.TrainedExports", "table", "exports", "models", "fingerprint_backfill", "objects"
    )
    # The keys of providers are read from SSM when they are first needed, and by no function that only names providers.
    known_providers: "ProviderNames" = part("providers.registry.ProviderNames", "settings", "provider_rows")
    providers: "Providers" = part("providers.registry.Providers", "settings", "provider_rows", "secret", "client")

    @cached_property
    def settings(self) -> Settings:
        """The environment, typed."""
        return Settings.from_environment()

    @cached_property
    def table(self) -> Table:
        """The one table."""
        return Table(self.client("dynamodb"), self.settings.table)

    @cached_property
    def objects(self) -> "Objects":
        """The data bucket."""
        from tuneloop.store.objects.bucket import Objects

        return Objects(self.client("s3"), _require_setting(self.settings.bucket, "bucket"))

    @cached_property
    def bus(self) -> "Bus":
        """The domain bus."""
        from tuneloop.store.outbox import Bus

        return Bus(self.client("events"), _require_setting(self.settings.bus, "bus"))

    @cached_property
    def examples_queue(self) -> "Queue":
        """Examples from the API, and reminders to look at a dataset again."""
        return self._queue(_require_setting(self.settings.examples_queue_url, "examples_queue_url"))

    @cached_property
    def usage_queue(self) -> "Queue":
        """Usage on its way to the counters."""
        return self._queue(_require_setting(self.settings.usage_queue_url, "usage_queue_url"))

    def secret(self, parameter: str) -> str | None:
        """What an SSM parameter holds, None where there is none of that name."""
        try:
            return str(self._ssm.get_parameter(Name=parameter, WithDecryption=True)["Parameter"]["Value"])
        except self._ssm.exceptions.ParameterNotFound:
            return None

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

        def begin(**_: Any) -> None:
            """Begin a call; OutOfTime where its answer could come too late."""
            if self.remaining_s < sum(patience):
                raise OutOfTime(OVERDUE)

        client.meta.events.register("before-send", begin)
        return client

    @cached_property
    def _ssm(self) -> Any:
        return self.client("ssm")

    def _queue(self, url: str) -> "Queue":
        from tuneloop.store.queues import Queue

        return Queue(self.client("sqs"), url)

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


def _require_setting(value: str | None, name: str) -> str:
    if value is None:
        raise RuntimeError(f"TUNELOOP_{name.upper()} is not set: this function's row of the table doesn't ask for it")
    return value


app = App()
