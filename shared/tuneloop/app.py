"""The composition root: makes every store and provider, once per process and when it is first needed."""

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
    from tuneloop.store.repositories.exports import Exports
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
    from tuneloop.store.repositories.trained_exports import TrainedExports
    from tuneloop.store.repositories.usage import Usage
    from tuneloop.store.repositories.votes import Votes


class Timeouts(NamedTuple):
    """Time-outs of one try of a call to an AWS service: until it is connected, and until it answers."""

    connect_s: float = 1.0
    read_s: float = 3.0


# The defaults are far beyond the milliseconds that these services take. S3 gets longer, as it may pause while it
# streams; SQS shorter, as no answer may wait for a queue: usage that can't be sent at once is counted as UsageLost.
TIMEOUTS = {"s3": Timeouts(2.0, 8.0), "sqs": Timeouts(0.5, 1.0)}
# A call is sent once more at most: that overcomes one that was lost or throttled, while a call to a service that hangs
# fails after twice its time-outs and a pause of up to a second.
ATTEMPTS = 2
OVERDUE_MESSAGE = "This took longer than an answer may take. Ask for less, or try again."
# By default boto3 signs links with a signature version, and for a host, that only the oldest regions and buckets take.
PRESIGNING_CONFIG: Any = {"signature_version": "s3v4", "s3": {"addressing_style": "virtual"}}


def utc_now() -> datetime:
    """The current time (UTC); the one place that reads the clock."""
    return datetime.now(UTC)


def new_nonce() -> str:
    """Twelve random hex digits; the one place that makes random ids."""
    return uuid4().hex[:12]


def part(path: str, *needs: str) -> Any:
    """A cached property of App: an instance of the class at `path`, made with the attributes of App named by `needs`.

    The class is imported when the property is first read, so that a function's cold start loads only the stores that it
    uses.
    """
    return cached_property(partial(_make_part, path, needs))


def _make_part(path: str, needs: tuple[str, ...], app: "App") -> Any:
    module, _, name = path.rpartition(".")
    return getattr(import_module(f"tuneloop.{module}"), name)(*(getattr(app, need) for need in needs))


class App:
    """All stores, providers and settings that use cases are given; one per process."""

    _deadline = inf  # when the current answer is due, on the monotonic clock

    # Each attribute with its class and its constructor's arguments: first those that need only the table, then those
    # that need others. tests/unit/test_app.py checks the arguments against the classes, as mypy can't.
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
        "store.repositories.trained_exports.TrainedExports",
        "table",
        "exports",
        "models",
        "fingerprint_backfill",
        "objects",
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
        """The DynamoDB table of the stage."""
        return Table(self.client("dynamodb"), self.settings.table)

    @cached_property
    def objects(self) -> "Objects":
        """The S3 bucket of the stage's data."""
        from tuneloop.store.objects.bucket import Objects

        return Objects(self.client("s3"), _require_setting(self.settings.bucket, "bucket"))

    @cached_property
    def bus(self) -> "Bus":
        """The EventBridge bus of domain events."""
        from tuneloop.store.outbox import Bus

        return Bus(self.client("events"), _require_setting(self.settings.bus, "bus"))

    @cached_property
    def examples_queue(self) -> "Queue":
        """The queue of posted examples, of feedback to judge, and of reminders to settle a dataset."""
        return self._queue(_require_setting(self.settings.examples_queue_url, "examples_queue_url"))

    @cached_property
    def usage_queue(self) -> "Queue":
        """The queue of usage that is yet to be counted."""
        return self._queue(_require_setting(self.settings.usage_queue_url, "usage_queue_url"))

    def secret(self, parameter: str) -> str | None:
        """The decrypted value of an SSM parameter; None if there is no parameter of that name."""
        try:
            return str(self._ssm.get_parameter(Name=parameter, WithDecryption=True)["Parameter"]["Value"])
        except self._ssm.exceptions.ParameterNotFound:
            return None

    def client(self, service: str) -> Any:
        """A boto3 client for a service; a call that hangs fails long before the function's own time-out."""
        import boto3
        from botocore.config import Config

        timeouts = TIMEOUTS.get(service, Timeouts())
        retries: Any = {"mode": "standard", "total_max_attempts": ATTEMPTS}
        config = Config(connect_timeout=timeouts.connect_s, read_timeout=timeouts.read_s, retries=retries)
        if service == "s3":
            config = config.merge(Config(**PRESIGNING_CONFIG))
        client: Any = boto3.client(service, config=config)  # type: ignore[call-overload]

        def require_time_for_call(**_: Any) -> None:
            """Raise OutOfTime before a call whose answer could come too late."""
            if self.remaining_s < sum(timeouts):
                raise OutOfTime(OVERDUE_MESSAGE)

        client.meta.events.register("before-send", require_time_for_call)
        return client

    @cached_property
    def _ssm(self) -> Any:
        return self.client("ssm")

    def _queue(self, url: str) -> "Queue":
        from tuneloop.store.queues import Queue

        return Queue(self.client("sqs"), url)

    @contextmanager
    def answer_within(self, seconds: float) -> Iterator[None]:
        """Within this context, calls to AWS whose answer could come later than `seconds` from now raise OutOfTime."""
        outer_deadline, self._deadline = self._deadline, monotonic() + seconds
        try:
            yield
        finally:
            self._deadline = outer_deadline

    @property
    def remaining_s(self) -> float:
        """Seconds until the current answer is due; infinite where nobody waits for one."""
        return self._deadline - monotonic()

    def require_time(self) -> None:
        """Raise OutOfTime if the current answer is overdue; for long work without calls to AWS."""
        if self.remaining_s < 0:
            raise OutOfTime(OVERDUE_MESSAGE)


def _require_setting(value: str | None, name: str) -> str:
    if value is None:
        raise RuntimeError(f"TUNELOOP_{name.upper()} is not set: this function's row of the table doesn't ask for it")
    return value


app = App()
