"""What handler and routes share: files and lines on their way in, given the stores of this process."""

from collections.abc import Callable, Iterable
from datetime import timedelta
from itertools import takewhile

from collect_examples.create_dataset import create_dataset
from collect_examples.drop import take
from collect_examples.ingest import ingest_drop
from collect_examples.missed_drops import is_seen, lately_come
from collect_examples.views import NewDataset
from tuneloop.app import app, utc_now
from tuneloop.domain.chat.examples import Split
from tuneloop.domain.datasets.datasets import Dataset, Drop
from tuneloop.observability import count
from tuneloop.runtime.best_effort import for_each
from tuneloop.runtime.settle import send_settle_reminder
from tuneloop.store.objects.bucket import ListedVersion
from tuneloop.store.objects.drop_reader import count_drop
from tuneloop.store.repositories.posts import UNREAD

MARGIN_S = 20  # to add what was read
ANOTHER_S = 270  # nearly all of the function's time: a sweep that has less left begins no second file
LISTING_S = 210  # what a sweep has left at least when it has listed what there is
FIRST_S = 150  # half of the time: with less left it begins none, and looks no further


def receive(key: str, content: str, version: str | None, remaining_s: float) -> None:
    """Take a file in `incoming/` and collect it in the time that remains, unless it is nobody's."""
    taken = take(key, content, tenants=app.tenants, datasets=app.datasets, register=registered, now=utc_now())
    if taken:
        drop, split = taken
        collected(drop, app.objects.dropped_lines(key, version), split, remaining_s - MARGIN_S)
    else:
        count("DropsRefused")


def receive_unseen(remaining_s: Callable[[], float]) -> None:
    """Take the files of which no event was heard, one after the other while there is time for another.

    One that needs longer than it gets is rejected for good, so it gets as much as one that an event tells of, or waits
    for the next sweep. Only the first is begun with less: else none might ever be where looking takes that long.
    """
    least_s = FIRST_S

    def work(found: ListedVersion) -> None:
        nonlocal least_s
        if not is_seen(found, datasets=app.datasets):
            count("DropsRecovered")
            least_s = ANOTHER_S
            receive(found.key, found.version, found.version, remaining_s())

    after_s, lists_on = app.settings.unseen_after_s, lambda: remaining_s() > LISTING_S
    recent = lately_come(after_s, objects=app.objects, now=utc_now(), goes_on=lists_on)
    for_each(takewhile(lambda _: remaining_s() > least_s, recent), work)


def collected(
    drop: Drop, lines: Iterable[bytes | None], split: Split | None = None, within_s: float | None = None
) -> Drop:
    """The drop as it ended, its lines collected and its dataset reminded to settle."""
    ends = None if within_s is None else utc_now() + timedelta(seconds=within_s)
    ended = ingest_drop(
        drop,
        lines,
        split,
        datasets=app.datasets,
        objects=app.objects,
        erasures=app.erasures,
        clock=utc_now,
        ends=ends,
    )
    if drop.status in UNREAD:
        count_drop(ended)
    send_settle_reminder(app.datasets.get(*ended.place), settle_s=app.settings.settle_s, queue=app.examples_queue)
    return ended


def registered(tenant: str, name: str, new: NewDataset | None = None) -> Dataset:
    """The dataset of that name, made with this stage's defaults if there is none yet."""
    wishes = new or NewDataset(id=name)
    settings = app.settings
    return create_dataset(
        tenant,
        wishes,
        provider=wishes.provider or settings.provider,
        base_model=wishes.base_model or settings.base_model,
        datasets=app.datasets,
        models=app.models,
        now=utc_now(),
    )
