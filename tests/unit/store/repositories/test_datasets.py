"""Datasets: nothing is added twice, nothing gets lost between two who add at once."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.factories import NOW, SECOND, a_dataset, a_drop, a_segment
from tuneloop.app import App
from tuneloop.domain.core.errors import NotFound, Stale
from tuneloop.domain.core.limits import REFUSALS_KEPT
from tuneloop.domain.datasets.datasets import OnDrop
from tuneloop.domain.datasets.drops import DropStatus, RefusedDrop, file_id
from tuneloop.domain.events import DatasetSettled
from tuneloop.domain.serving.models import new_model
from tuneloop.store import keys
from tuneloop.store.cursors import cursor_behind
from tuneloop.store.dynamodb import ConditionalDelete, ConditionalPut, Table, Write, to_item
from tuneloop.store.repositories.datasets import Datasets

MODEL = new_model("acme", "support", "trainer", "base-1", NOW)


class Interrupted(Table):
    """A table on which somebody else writes just before each of our next commits."""

    def __init__(self, table: Table, *rivals: Callable[[], object]) -> None:
        super().__init__(table.client, table.name)
        self._rivals = list(rivals)

    def commit(self, *writes: Write) -> None:
        if self._rivals:
            self._rivals.pop(0)()
        super().commit(*writes)


@pytest.fixture
def datasets(app: App) -> Datasets:
    app.datasets.create(a_dataset(), None)
    return app.datasets


def test_a_new_dataset_brings_a_model_of_its_name(app: App) -> None:
    app.datasets.create(a_dataset(), MODEL)

    assert app.datasets.get("acme", "support").revision == 0
    assert app.models.get("acme", "support").latest_version == 0
    assert app.models.version("acme", "support", 0).provider_model == "base-1"
    assert app.models.deployment("acme", "support").stable == 0


def test_a_dataset_is_made_once_and_with_its_model_or_not_at_all(app: App) -> None:
    app.models.register(MODEL)

    with pytest.raises(Stale):
        app.datasets.create(a_dataset(), MODEL)

    assert app.datasets.find("acme", "support") is None


def test_a_dataset_that_is_not_there_is_named(app: App) -> None:
    with pytest.raises(NotFound, match="There is no dataset support") as refusal:
        app.datasets.get("acme", "support")

    assert refusal.value.param == "dataset"


def test_a_dataset_belongs_to_its_tenant_alone(datasets: Datasets) -> None:
    assert datasets.find("initech", "support") is None
    assert list(datasets.all("initech")) == []


def test_datasets_are_listed_by_name(datasets: Datasets) -> None:
    for name in ("billing", "sales"):
        datasets.create(a_dataset(id=name), None)

    first = datasets.page("acme", 2, None)

    assert [dataset.id for dataset in first.data] == ["billing", "sales"]
    assert [dataset.id for dataset in datasets.page("acme", 2, first.cursor).data] == ["support"]
    assert [dataset.id for dataset in datasets.all("acme")] == ["billing", "sales", "support"]


@pytest.fixture
def among_files(app: App) -> list[str]:
    """The named datasets of a tenant with 500 files; one has no note, as older versions wrote none."""
    names = ["alpha", "file", "file-cards", f"file-{'0' * 23}", f"file-{'0' * 25}", "file0", "filed", "omega"]
    for name in names:
        app.datasets.create(a_dataset(id=name), None)
    client: Any = app.table.client
    file: Any = ConditionalPut(keys.dataset("acme", "x"), a_dataset(id="x")).action(app.table.name)
    for start in range(0, 500, 25):  # as many as one request takes; a transaction for each takes ten times as long
        ids = [keys.dataset("acme", file_id("acme", str(n), "fine-tune")) for n in range(start, start + 25)]
        puts = [
            {"PutRequest": {"Item": file["Put"]["Item"] | {"pk": {"S": key.pk}, "sk": {"S": key.sk}}}} for key in ids
        ]
        client.batch_write_item(RequestItems={app.table.name: puts})
    app.table.commit(ConditionalDelete(keys.like_file("acme", "file-cards")))
    return sorted(names)


@pytest.mark.parametrize("limit", [1, 3, 8, 100])
def test_no_page_reads_the_files_that_lie_in_between(
    limit: int, app: App, among_files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    app.datasets.page("acme", 100, None)  # looks once for what older versions have not noted
    rows_read: list[int] = []
    query = app.table.client.query

    def counting(**given: Any) -> Any:
        answer = query(**given)
        rows_read.append(answer["ScannedCount"])
        return answer

    monkeypatch.setattr(app.table.client, "query", counting)
    found, cursor, queries, rows = [], None, [], []
    while True:
        rows_read.clear()
        page = app.datasets.page("acme", limit, cursor)
        found.append([dataset.id for dataset in page.data])
        queries.append(len(rows_read))
        rows.append(sum(rows_read))
        if (cursor := page.cursor) is None:
            break

    assert [name for names in found for name in names] == among_files
    assert all(len(names) == limit for names in found[:-1])
    assert max(queries) <= 4
    assert max(rows) <= 2 * limit + 4


@pytest.mark.usefixtures("among_files")
def test_a_cursor_of_an_older_version_among_the_files_still_leads_on(app: App) -> None:
    key = keys.dataset("acme", f"file-{'5' * 24}")

    page = app.datasets.page("acme", 2, cursor_behind(key, {}))

    assert [dataset.id for dataset in page.data] == ["file-cards", "file0"]


def test_changed_settings_are_stored_and_announced_in_one_write(app: App, datasets: Datasets) -> None:
    seen = datasets.get("acme", "support")
    event = DatasetSettled(tenant="acme", dataset="support", revision=0)

    datasets.save(seen.model_copy(update={"on_drop": OnDrop.COLLECT}), event=event, now=NOW)
    with pytest.raises(Stale):
        datasets.save(seen, event=event, now=NOW)

    assert datasets.get("acme", "support").on_drop == OnDrop.COLLECT
    assert [row.event_type for row in app.outbox.backlog(NOW + SECOND)] == ["DatasetSettled"]


def test_the_same_segment_twice_adds_nothing(datasets: Datasets) -> None:
    assert datasets.add_segment("acme", "support", a_segment())
    assert not datasets.add_segment("acme", "support", a_segment(created_at=NOW + SECOND))

    grown = datasets.get("acme", "support")
    assert (grown.revision, grown.segments, grown.examples, grown.changed_at) == (1, 1, 10, NOW)


def test_two_segments_are_two_revisions(datasets: Datasets) -> None:
    datasets.add_segment("acme", "support", a_segment("one"))
    datasets.add_segment("acme", "support", a_segment("two", examples=5, created_at=NOW + SECOND))

    grown = datasets.get("acme", "support")
    assert (grown.revision, grown.segments, grown.examples, grown.changed_at) == (2, 2, 15, NOW + SECOND)
    assert [segment.revision for segment in datasets.segments("acme", "support", 2)] == [1, 2]


def test_two_segments_at_once_get_revisions_of_their_own(app: App, datasets: Datasets) -> None:
    rival = Interrupted(app.table, lambda: datasets.add_segment("acme", "support", a_segment("theirs")))

    assert Datasets(rival).add_segment("acme", "support", a_segment("ours"))

    assert datasets.get("acme", "support").examples == 20
    by_revision = {segment.revision: segment.sha256 for segment in datasets.segments("acme", "support", 2)}
    assert by_revision == {1: a_segment("theirs").sha256, 2: a_segment("ours").sha256}


def test_the_same_segment_from_two_at_once_is_added_once(app: App, datasets: Datasets) -> None:
    rival = Interrupted(app.table, lambda: datasets.add_segment("acme", "support", a_segment()))

    assert not Datasets(rival).add_segment("acme", "support", a_segment())

    assert datasets.get("acme", "support").examples == 10


def test_a_dataset_that_never_stands_still_is_an_error_in_the_end(
    app: App, datasets: Datasets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tuneloop.store.retry.TRIES", 4)

    def change() -> None:
        datasets.save(datasets.get("acme", "support"))

    with pytest.raises(Stale, match="changing too fast"):
        Datasets(Interrupted(app.table, *[change] * 100)).add_segment("acme", "support", a_segment())

    assert datasets.segments("acme", "support", 1) == []


def test_a_segment_needs_its_dataset(app: App) -> None:
    with pytest.raises(NotFound):
        app.datasets.add_segment("acme", "support", a_segment())


def test_an_old_revision_has_the_segments_of_its_time_in_their_order(datasets: Datasets) -> None:
    for content in ("one", "two", "three"):
        datasets.add_segment("acme", "support", a_segment(content))

    assert [segment.sha256 for segment in datasets.segments("acme", "support", 2)] == [
        a_segment("one").sha256,
        a_segment("two").sha256,
    ]
    assert datasets.segments("acme", "support", 0) == []


def test_a_drop_is_stored_step_by_step(datasets: Datasets) -> None:
    begun = datasets.save_drop(a_drop())
    datasets.save_drop(begun.model_copy(update={"status": DropStatus.COLLECTED, "examples": 3}))

    with pytest.raises(Stale):
        datasets.save_drop(begun)

    assert datasets.drop("acme", "support", "drop-1").examples == 3


def test_a_drop_that_is_not_there_is_named(datasets: Datasets) -> None:
    assert datasets.find_drop("acme", "support", "drop-1") is None
    with pytest.raises(NotFound, match="Dataset support has no drop drop-1"):
        datasets.drop("acme", "support", "drop-1")


def test_drops_are_listed_newest_first(datasets: Datasets) -> None:
    for number in range(3):
        datasets.save_drop(a_drop(id=f"drop-{number}", created_at=NOW + number * SECOND))
    datasets.save_drop(a_drop(id="elsewhere", dataset="sales"))

    page = datasets.drops("acme", "support", 2, None)

    assert [drop.id for drop in page.data] == ["drop-2", "drop-1"]
    assert [drop.id for drop in datasets.drops("acme", "support", 2, page.cursor).data] == ["drop-0"]


def test_only_drops_that_are_being_read_are_listed_as_such(datasets: Datasets) -> None:
    for number, status in enumerate(DropStatus):
        datasets.save_drop(a_drop(id=f"drop-{number}", status=status))
    started = datasets.start_drop(a_drop(id="late", tenant="initech"))

    assert {drop.id for drop in datasets.open_drops()} == {"drop-0", "late"}
    datasets.save_drop(started.model_copy(update={"status": DropStatus.COLLECTED}))
    assert [drop.id for drop in datasets.open_drops()] == ["drop-0"]


def test_starting_a_drop_twice_gives_the_row_of_the_first(datasets: Datasets) -> None:
    first = datasets.start_drop(a_drop())

    assert datasets.start_drop(a_drop(object="other")) == first


def test_a_file_that_is_nobody_s_is_noted_once_and_for_a_while(app: App, datasets: Datasets) -> None:
    first = RefusedDrop(id="drop-1", object="incoming/x", code="invalid_path", message="No.", created_at=NOW)
    later = first.model_copy(update={"id": "drop-2", "created_at": NOW + SECOND})

    assert [datasets.refuse(each) for each in (first, later, first)] == [True, True, False]

    assert datasets.refused_drops() == [later, first]
    assert datasets.is_refused("drop-1")
    assert not datasets.is_refused("drop-3")
    stored = app.table.client.get_item(TableName=app.table.name, Key=to_item(keys.refused_drop("drop-1")._asdict()))
    assert stored["Item"]["expires_at"] == {"N": str(int((NOW + REFUSALS_KEPT).timestamp()))}
